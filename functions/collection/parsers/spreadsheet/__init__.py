"""Spreadsheets and tables of text: XLSX, XLS, ODS, CSV, TSV."""

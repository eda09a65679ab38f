"""Documents and presentations of Word, PowerPoint and LibreOffice."""

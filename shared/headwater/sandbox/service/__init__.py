"""The service `sandbox`: the requests that it takes (`wire`), and how the function chat calls it (`remote`)."""

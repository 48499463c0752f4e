"""What tests are run with: servers that follow a script, clients and pages, processes, recordings. No test is in here."""

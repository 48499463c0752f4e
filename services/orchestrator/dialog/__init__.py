"""The rules of the dialog machine, by what they are about. All are pure; `machine.py` has the table of who uses which."""

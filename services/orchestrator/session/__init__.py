"""One conversation: what the client asks for, what the dialog machine decides, and who carries it out."""

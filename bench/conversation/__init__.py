"""How natural a conversation is, measured from outside: a client with open microphones, scenarios, and what a take shows."""

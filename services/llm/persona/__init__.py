"""Who the persona is: its folder, read and prepared."""

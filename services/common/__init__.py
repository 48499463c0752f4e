"""What every service needs, and nothing about any one of them."""

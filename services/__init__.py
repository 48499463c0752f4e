"""The services of Vivant, one package each. `services.common` holds what every one of them needs."""

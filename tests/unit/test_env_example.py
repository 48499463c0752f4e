"""`.env.example` says what the settings classes say."""

from deploy import env_example
from services.common.settings import SharedSettings


def test_the_file_matches_the_settings() -> None:
    assert env_example.TARGET.read_text("utf-8") == env_example.render(), "run: make env-example"


def test_every_service_and_the_shared_settings_are_in_it() -> None:
    found = list(env_example.settings_classes())
    assert SharedSettings in [settings for _, settings in found]
    with_settings = {path.parent.name for path in env_example.ROOT.glob("services/*/settings.py")}
    assert {service for service, _ in found} == with_settings


def test_no_two_settings_read_the_same_variable() -> None:
    variables = [variable for _, settings in env_example.settings_classes() for variable, _, _ in env_example.fields(settings)]
    assert len(variables) == len(set(variables))


def test_secrets_have_no_value_in_it() -> None:
    secrets = [line for line in env_example.render().splitlines() if line.startswith("#") and "_API_KEY=" in line]
    assert secrets
    assert all(line.endswith("=") for line in secrets)

"""How docker-compose.yml runs the images."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.settings import Settings
from tests.images.dockerfile import ROOT, last, stages

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = {name: one for name, one in COMPOSE["services"].items() if one.get("build", {}).get("target") == name}
KEYED, PROXY = COMPOSE["services"]["keyed"], COMPOSE["services"]["proxy"]


def test_the_file_fits_the_schema():
    program = str(Path(sys.executable).with_name("check-jsonschema"))
    found = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout


def test_a_plain_up_starts_the_cpu_service_alone():
    assert [name for name, service in COMPOSE["services"].items() if "profiles" not in service] == ["cpu"]
    assert SERVICES["gpu"]["profiles"] == ["gpu"]


@pytest.mark.parametrize("name", SERVICES)
def test_only_this_machine_reaches_it(name):
    for port in SERVICES[name]["ports"]:
        assert port.startswith("127.0.0.1:")
        assert port.endswith(f":{last(name, 'EXPOSE').rest}")


def test_the_cpu_service_stands_where_readme_says():
    assert SERVICES["cpu"]["ports"] == ["127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_only_this_machine_reaches_is_open(name):
    assert SERVICES[name]["command"] == [*last(name, "CMD").words(), "--open"]


@pytest.mark.parametrize("service", [*SERVICES.values(), KEYED], ids=[*SERVICES, "keyed"])
def test_every_setting_reaches_it_but_those_of_the_image(service):
    passed = {name for name, value in service["environment"].items() if value is None}
    of_the_image = {
        "HOST",
        "PORT",
        "OPEN",
        "DATA_DIR",
        "MODEL_DIR",
        "MODEL_STORE",
        "TLS_CERT",
        "TLS_KEY",
        "ALLOWED_HOSTS",
    }

    assert passed == {f"COVIDCT_{name.upper()}" for name in Settings.model_fields} - {
        f"COVIDCT_{n}" for n in of_the_image
    }


def test_services_that_run_together_share_neither_port_nor_exams():
    for key in ("ports", "volumes"):
        (cpu,), (gpu,) = SERVICES["cpu"][key], SERVICES["gpu"][key]
        assert cpu != gpu


@pytest.mark.parametrize("name", SERVICES)
def test_it_is_built_from_its_own_target(name):
    assert SERVICES[name]["build"] == {"context": ".", "target": name}
    assert name in stages()


@pytest.mark.parametrize("name", SERVICES)
def test_no_registry_is_asked_for_it(name):
    # Where a service names an image, `docker compose up` looks for it in a registry before it builds.
    assert "image" not in SERVICES[name]
    assert "pull_policy" not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_processes_left_behind_are_cleared_away(name):
    assert SERVICES[name]["init"] is True


def test_the_gpu_service_has_room_for_the_threads_and_kernels_of_tensorflow():
    assert SERVICES["gpu"]["pids_limit"] == 4096
    assert SERVICES["gpu"]["tmpfs"] == ["/tmp:size=1g,mode=1777"]


@pytest.mark.parametrize("name", SERVICES)
def test_exams_are_kept_in_a_named_volume(name):
    (volume,) = SERVICES[name]["volumes"]
    source, inside = volume.split(":")

    assert source in COMPOSE["volumes"]
    assert inside == last(name, "VOLUME").rest


@pytest.mark.parametrize("name", SERVICES)
def test_it_may_do_no_more_than_it_needs(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    assert {"mem_limit", "pids_limit", "restart"} <= set(service)
    assert not {"privileged", "cap_add", "user", "network_mode"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_its_health_is_checked_as_the_image_checks_it(name):
    assert SERVICES[name]["healthcheck"]["test"][1:] == ["python", "-m", "app.commands.ready"]
    assert 'CMD ["python", "-m", "app.commands.ready"]' in last(name, "HEALTHCHECK").rest


def test_the_gpu_service_asks_for_a_gpu():
    (device,) = SERVICES["gpu"]["deploy"]["resources"]["reservations"]["devices"]

    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert "deploy" not in SERVICES["cpu"]


def test_only_the_proxy_reaches_the_service_with_keys_and_only_this_machine_the_proxy():
    assert "ports" not in KEYED
    assert (KEYED["networks"], PROXY["networks"]) == (["behind"], ["behind", "front"])
    assert COMPOSE["networks"]["behind"] == {"internal": True}
    assert [port.split(":")[0] for port in PROXY["ports"]] == ["127.0.0.1"]


def test_the_service_behind_the_proxy_does_not_start_without_a_key():
    assert KEYED["command"] == ["covidct", "serve", "--host", "0.0.0.0"]
    assert not [name for name in KEYED["environment"] if "OPEN" in name]


def test_the_service_behind_the_proxy_may_do_no_more_than_the_others():
    for key in ("read_only", "cap_drop", "security_opt", "tmpfs", "pids_limit", "mem_limit", "restart", "healthcheck"):
        assert KEYED[key] == SERVICES["cpu"][key]
    assert KEYED["volumes"] != SERVICES["cpu"]["volumes"]


def test_the_proxy_speaks_tls_and_leads_to_that_service():
    told = COMPOSE["configs"]["proxy"]["content"]
    port = last("cpu", "EXPOSE").rest

    assert told.count("{") == told.count("}") == 2
    assert "https://localhost:8443 {" in told
    assert "http://" not in told
    assert f"reverse_proxy keyed:{port}\n" in told
    assert PROXY["configs"] == [{"source": "proxy", "target": "/etc/caddy/Caddyfile"}]
    assert {"localhost"} <= set(KEYED["environment"]["COVIDCT_ALLOWED_HOSTS"].split(","))


def test_a_file_written_into_a_container_finds_one_that_can_be_written():
    # Compose refuses to write `content` into a service that is read_only.
    for service in COMPOSE["services"].values():
        for config in service.get("configs", ()):
            assert "content" not in COMPOSE["configs"][config["source"]] or not service.get("read_only")

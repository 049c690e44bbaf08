# SPDX-License-Identifier: Apache-2.0
"""The command line: what sonde says about itself, this machine and wrong settings; what make installs."""
import os
import shutil
import subprocess

import pytest

from harness import ROOT, SONDE

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE_", "OTEL_"))}
NOBODY_IS = "pid=2147483647"  # above any pid: should a mistake go unnoticed, the agent watches nothing
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def sonde(*args, env=None, under=()):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([*map(str, under), str(SONDE), *map(str, args)], capture_output=True, text=True, timeout=30,
                          env={**CLEAN, **(env or {})})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def as_nobody(tmp_path):
    """A copy of the binary where everybody may run it."""
    directory = tmp_path / "everybody"
    directory.mkdir(mode=0o755)
    for d in (directory, *directory.parents):
        if d.owner() == "root" and d.stat().st_mode & 0o005 != 0o005:
            d.chmod(d.stat().st_mode | 0o005)
    binary = shutil.copy(SONDE, directory / "sonde")

    def run(*args):
        done = subprocess.run([*NOBODY, binary, *args], capture_output=True, text=True, timeout=30, env=CLEAN)
        return done.returncode, done.stdout, done.stderr
    return run


# ---- help, version, man page ----

def test_help_fits_a_screen():
    for word in ("--help", "-h", "help"):
        code, out, err = sonde(word)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80
        for flag in ("--select", "--exclude", "--config", "--otlp-endpoint", "--listen", "--print[=json]", "--capture",
                     "--memory-limit"):
            assert flag in out


def test_version():
    version = (ROOT / "VERSION").read_text().strip()
    assert sonde("--version") == (0, f"sonde {version}\n", "")
    assert sonde("version") == (0, f"sonde {version}\n", "")


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff")
def test_man_page_renders_without_warnings(tmp_path):
    code, roff, _ = sonde("help", "--man")
    assert code == 0
    page = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou"], input=roff, capture_output=True, text=True)
    assert page.returncode == 0 and page.stderr == ""
    for word in ("memory_limit", "SONDE_MEMORY_LIMIT", "OTEL_EXPORTER_OTLP_ENDPOINT", "EXIT STATUS"):
        assert word in page.stdout


def test_every_setting_is_in_the_man_page():
    _, roff, _ = sonde("help", "--man")
    _, listed, _ = sonde("config")
    keys = [line.split()[0] for line in listed.splitlines()]
    assert len(keys) > 30
    assert [k for k in keys if f"\n.B {k}\n" not in roff] == []


# ---- check ----

def test_check_tells_what_is_possible():
    code, out, err = sonde("check")
    assert (code, err) == (0, "")
    assert "tier socket" in out and "tier syscall" in out and "sonde can run here" in out
    assert not [line for line in out.splitlines() if line.startswith("NO ")]
    assert sonde("check", "now")[0] == 2


def test_check_without_privilege_names_the_capability(as_nobody):
    code, out, err = as_nobody("check")
    assert code == 1
    assert "CAP_BPF" in out + err
    assert "cannot run here" in out


def test_run_without_privilege_names_the_capability(as_nobody):
    # A machine without BTF cannot be had here: the kernel that runs the tests has it.
    code, _, err = as_nobody("run", "--select", NOBODY_IS, "--listen", "off")
    assert code == 1
    assert "CAP_BPF" in err
    assert len(err.splitlines()) <= 6, "one cause, told once"


# ---- config ----

def settings(out):
    """key -> (value, origin)"""
    found = {}
    for line in out.splitlines():
        key, rest = line.split(None, 1)
        value, _, origin = rest.rpartition("  (")
        found[key] = value.strip(), origin.rstrip(")")
    return found


def test_config_names_the_origin_of_each_value(tmp_path):
    file = tmp_path / "sonde.yaml"
    file.write_text("listen: 127.0.0.1:1\ncapture:\n  tier: socket\n  ring_size: 1MiB\nselect: [port=80, 'port=81,exe=*x']\n")
    code, out, err = sonde("config", "--config", file, "--listen", "off",
                           env={"SONDE_CAPTURE_TIER": "syscall", "OTEL_BSP_SCHEDULE_DELAY": "100",
                                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret"})
    assert (code, err) == (0, "")
    s = settings(out)
    assert s["listen"] == ("off", "--listen")
    assert s["capture.tier"] == ("syscall", "SONDE_CAPTURE_TIER")
    assert s["capture.ring_size"] == ("1MiB", f"{file}:4:14")
    assert s["select"] == ("port=80; port=81,exe=*x", f"{file}:5:10")
    assert s["traces.schedule_delay"] == ("100", "OTEL_BSP_SCHEDULE_DELAY")
    assert s["memory_limit"] == ("64MiB", "default")
    assert s["exclude"] == ("-", "not set")
    assert "secret" not in out


def test_config_file_by_variable(tmp_path):
    file = tmp_path / "sonde.yaml"
    file.write_text("listen: off\n")
    assert settings(sonde("config", env={"SONDE_CONFIG": str(file)})[1])["listen"] == ("off", f"{file}:1:9")
    code, _, err = sonde("config", "--config", tmp_path / "none.yaml")
    assert code == 2 and "none.yaml: No such file" in err


def test_prometheus_variables_are_the_halves_of_listen():
    env = {"OTEL_EXPORTER_PROMETHEUS_HOST": "::1", "OTEL_EXPORTER_PROMETHEUS_PORT": "9999"}
    assert settings(sonde("config", env=env)[1])["listen"] == ("[::1]:9999", "OTEL_EXPORTER_PROMETHEUS_HOST")
    del env["OTEL_EXPORTER_PROMETHEUS_HOST"]
    assert settings(sonde("config", env=env)[1])["listen"] == ("127.0.0.1:9999", "OTEL_EXPORTER_PROMETHEUS_PORT")


def test_exporters_may_be_lists():
    assert settings(sonde("config", env={"OTEL_TRACES_EXPORTER": "otlp,console"})[1])["traces.exporter"] == \
        ("otlp,console", "OTEL_TRACES_EXPORTER")
    code, _, err = sonde("config", env={"OTEL_TRACES_EXPORTER": "otlp,zipkin"})
    assert code == 2 and 'OTEL_TRACES_EXPORTER: traces.exporter: "otlp,zipkin": expected' in err


# ---- mistakes ----

@pytest.mark.parametrize("text, position, what", [
    ("listen: off\ncaptur:\n  tier: socket\n", "2:1", "captur"),
    ("capture:\n  teir: socket\n", "2:3", "capture.teir"),
    ("capture:\n  tier: kprobe\n", "2:9", "expected one of auto|socket|syscall"),
    ("memory_limit: lots\n", "1:15", "expected a size like"),
    ("memory_limit: 1MiB\n", "1:15", "expected a size like"),
    ("listen: [\n", "2:1", "not YAML"),
    ("select:\n  - port=1\n  - colour=red\n", "3:5", "expected port="),
    ("services: ['port=x -> shop']\n", "1:12", "expected a port number"),
])
def test_mistakes_in_the_file_name_line_and_column(tmp_path, text, position, what):
    file = tmp_path / "sonde.yaml"
    file.write_text(text)
    code, out, err = sonde("config", "--config", file)
    assert (code, out) == (2, "")
    assert f"{file}:{position}: " in err and what in err


def test_mistakes_in_the_file_stop_the_start(tmp_path):
    file = tmp_path / "sonde.yaml"
    file.write_text("captur: {}\n")
    assert sonde("run", "--config", file, "--select", NOBODY_IS)[0] == 2


@pytest.mark.parametrize("args, env, what", [
    (["--selct", NOBODY_IS], {}, "--selct: there is no such flag"),
    (["stray"], {}, "stray: not an option"),
    (["--memory-limit", "12"], {}, '--memory-limit: memory_limit: "12": expected a size like'),
    (["--print=xml"], {}, "expected one of off|text|json"),
    ([], {"SONDE_LISTN": "x"}, "SONDE_LISTN: there is no such option"),
    ([], {"SONDE_LOG_LEVEL": "loud"}, 'SONDE_LOG_LEVEL: log.level: "loud": expected one of error|warn|info|debug'),
    ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "not a url"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ([], {"OTEL_BSP_SCHEDULE_DELAY": "soon"}, "OTEL_BSP_SCHEDULE_DELAY"),
])
def test_mistakes_in_flags_and_variables(args, env, what):
    code, out, err = sonde("run", *args, "--select", NOBODY_IS, env=env)
    assert (code, out) == (2, "")
    assert what in err


@pytest.mark.parametrize("selector, what", [
    ("port=http", "port"), ("colour=red", "colour"), ("port", "port"), ("", "expected"), ("pid=0", "pid"),
])
def test_mistakes_in_selectors(selector, what):
    for flag in ("--select", "--exclude"):
        code, _, err = sonde("run", "--select", NOBODY_IS, flag, selector, "--listen", "off")
        assert code == 2 and what in err and "expected" in err


def test_an_unknown_command():
    code, out, err = sonde("rum")
    assert (code, out) == (2, "") and '"rum"' in err and "--help" in err


# ---- make install ----

def test_install_and_uninstall(tmp_path):
    where = [f"DESTDIR={tmp_path}", "PREFIX=/opt/sonde"]
    subprocess.run(["make", "install", *where], cwd=ROOT, check=True, capture_output=True, timeout=300)
    top = tmp_path / "opt" / "sonde"
    files = sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_file())
    assert files == ["bin/sonde", "lib/systemd/system/sonde.service", "share/man/man8/sonde.8"]
    assert (top / "bin" / "sonde").stat().st_mode & 0o777 == 0o755
    assert (top / "bin" / "sonde").stat().st_size <= 6 << 20
    unit = (top / "lib/systemd/system/sonde.service").read_text()
    assert "\nExecStart=/opt/sonde/bin/sonde run\n" in unit and "/usr/local" not in unit
    assert sorted(p.name for p in tmp_path.iterdir()) == ["opt"]
    subprocess.run(["make", "uninstall", *where], cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert not [p for p in top.rglob("*") if p.is_file()]

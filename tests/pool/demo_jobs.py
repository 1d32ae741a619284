"""The jobs of the demo's history: who submits what. Pure, and the same every time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

SEED = 20_260_901
PAYLOAD = "/pool/.code/payload.py"
EXTRA_LINES = {
    "fail_transfer": (
        "transfer_input_files = http://203.0.113.1/absent",
        "should_transfer_files = YES",
    ),
    "remove_idle": ("requirements = TARGET.Absent =?= true",),
}


@dataclass(frozen=True)
class Person:
    """One who submits: the groups and projects to choose from, and the sizes."""

    user: str
    groups: tuple[str, ...]
    projects: tuple[str, ...]
    cpus: tuple[int, ...] = (1,)
    memory_mib: tuple[int, ...] = (1024, 2048)
    gpus: int = 0
    # Typical traffic off the campus of one job.
    external_gb: float = 1.0
    is_pilot: bool = False
    weight: int = 10


PEOPLE = (
    Person("alice", ("group_cms.prod",), ("CMS_Reco",), (4, 8), (8192, 16000), 0, 12.0),
    Person("bob", ("group_cms.analysis",), ("CMS_Higgs", "CMS_Top"), external_gb=3.0),
    Person("carol", ("group_ligo",), ("LIGO_CBC",), (1, 2), (4096,), external_gb=0.4),
    Person("dave", ("group_icecube",), ("IceCube_Sim",), (1,), (2000, 4000)),
    Person("erin", ("group_atlas.prod", "group_atlas.user"), ("ATLAS_MC",), (1, 8)),
    # No group and no project: what a statement shows as unknown.
    Person("frank", ("",), ("",), external_gb=0.05, weight=4),
    # A pilot account, whose payloads belong to others.
    Person("grace", ("group_cms.pilot",), ("",), (1, 4), is_pilot=True, weight=8),
    Person("heidi", ("group_icecube.gpu",), ("IceCube_ML",), gpus=1, weight=4),
)


@dataclass(frozen=True)
class Batch:
    """One submission and what is to happen to it once it is there.

    *fate* names what ``demo_history.Director`` does to it. *orders* are for
    ``inside/payload.py``, *files* for the home of the user.
    """

    user: str
    description: str
    fate: str = "run"
    jobs: int = 1
    orders: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


# How often each fate comes among 100 batches; the rest just runs.
FATES_PERCENT = {
    "remove_running": 3,
    "remove_held": 2,
    "evict": 5,
    "hold_and_release": 2,
    "remove_idle": 2,
    "fail_transfer": 2,
    "dag": 2,
    "local": 3,
    "scheduler": 2,
}
# Jobs that must still run when something happens to them.
LONGER_S = {"remove_running": 600, "remove_held": 600, "evict": 4}
LONGER_S |= {"hold_and_release": 4}


def batches(jobs: int) -> Iterator[Batch]:
    """Yield submissions that make about *jobs* jobs together, and at least as many."""
    random = Random(SEED)  # noqa: S311  a demo wants the same jobs each time
    fates = _order_of_fates(random)
    made = number = 0
    while made < jobs:
        person = random.choices(PEOPLE, [p.weight for p in PEOPLE])[0]
        batch = _batch(person, fates[number % len(fates)], number, random)
        number += 1
        made += batch.jobs
        yield batch


def _order_of_fates(random: Random) -> list[str]:
    """Return the fates of 100 batches; one of each kind comes early."""
    early = [fate for kind in FATES_PERCENT for fate in ("run", kind)]
    rest = [kind for kind, number in FATES_PERCENT.items() for _ in range(number - 1)]
    rest += ["run"] * (100 - len(early) - len(rest))
    random.shuffle(rest)
    return early + rest


def _batch(person: Person, fate: str, number: int, random: Random) -> Batch:
    if fate == "dag":
        return _dag(person, number, random)
    lines = _head(person, random)
    if fate in {"local", "scheduler"}:
        # What is asked of a slot would be asked of the schedd, which has no GPUs.
        lines = [line for line in lines if not line.startswith("request_")]
        lines += [f"universe = {fate}", "executable = /usr/bin/sleep"]
        lines += [f"arguments = {random.randint(2, 6)}", "queue"]
        return Batch(person.user, "\n".join(lines))
    size = random.randint(2, 6) if fate != "run" else random.randint(3, 14)
    lines += EXTRA_LINES.get(fate, ())
    lines += ["executable = /usr/bin/python3"]
    lines += [f"arguments = {PAYLOAD} {number}.$(Process)", f"queue {size}"]
    longer_s = LONGER_S.get(fate, 0)
    orders = {
        f"{number}.{n}": _order(person, random, lines, longer_s) for n in range(size)
    }
    return Batch(person.user, "\n".join(lines), fate, size, orders)


def _head(person: Person, random: Random) -> list[str]:
    """Return the submit lines on who pays and what is asked for."""
    lines = [
        f"request_cpus = {random.choice(person.cpus)}",
        f"request_memory = {random.choice(person.memory_mib)}",
        f"request_disk = {random.choice((100, 500, 2000)) * 1024}",
    ]
    if person.gpus:
        lines.append(f"request_gpus = {person.gpus}")
    group, project = random.choice(person.groups), random.choice(person.projects)
    if group:
        lines += [f"accounting_group = {group}"]
    if project:
        lines += [f'+ProjectName = "{project}"']
    return lines


def _order(person: Person, random: Random, lines: list[str], longer_s: int) -> str:
    """Return what one job is to do (see ``inside/payload.py``)."""
    wall_s = longer_s + min(15.0, round(2 + random.expovariate(0.35), 1))
    asked = next(ln for ln in lines if ln.startswith("request_memory"))
    # At most a tenth of what it asked for: the rule of ``stretch`` adds a nought.
    most_mb = min(160, int(asked.split()[-1]) // 10)
    memory_mb = random.randint(most_mb // 4, most_mb)
    ending = random.choices(("0", "1", "139", "SIGSEGV", "SIGKILL"), (90, 4, 1, 3, 2))
    words = [str(wall_s), str(memory_mb), ending[0]]
    # Some runs are not measured: their ads hold none of the attributes.
    if random.random() > 0.06:
        words += _network(person, random)
    if person.is_pilot:
        words += _payload_tags(random)
    return " ".join(words)


def _network(person: Person, random: Random) -> list[str]:
    """Return what one job "moved", in octets, with a long tail as real ones have."""
    external = int(person.external_gb * 1e9 * random.lognormvariate(0, 1.2))
    internal = int(4e9 * random.lognormvariate(0, 1.0))
    share = random.uniform(0.02, 0.6)
    local = random.randint(0, 3) * random.randint(1, 90_000_000)
    return [
        f"NetworkOutgoingExternal={int(external * share)}",
        f"NetworkIncomingExternal={int(external * (1 - share))}",
        f"NetworkOutgoingInternal={internal // 3}",
        f"NetworkIncomingInternal={internal - internal // 3}",
        f"NetworkOutgoingLocal={local}",
        f"NetworkIncomingLocal={local // 2}",
    ]


def _payload_tags(random: Random) -> list[str]:
    """Return what the tagger writes when a pilot starts somebody's payload."""
    number = random.randint(1, 9)
    subject = f"/DC=org/DC=example/CN=Payload+User+{number}"
    return [
        f"glexec_user=payload{number}",
        f"glexec_x509userproxysubject={subject}",
        "glexec_time=now",
    ]


DAG_JOB = """\
executable = /usr/bin/python3
arguments = {program} $(order)
request_cpus = 1
request_memory = 512
request_disk = 102400
+ProjectName = "Workflow"
queue
"""


def _dag(person: Person, number: int, random: Random) -> Batch:
    """Return a small DAG: one node, then two at once; its name is its description."""
    name = f"dag{number}"
    nodes = ("Split", "PartA", "PartB")
    lines = [f"JOB {node} {name}.sub" for node in nodes]
    lines += [f'VARS {node} order="{number}.{node}"' for node in nodes]
    lines += ["PARENT Split CHILD PartA PartB"]
    orders = {
        f"{number}.{node}": f"{random.randint(2, 5)} 20 0 NetworkOutgoingExternal="
        f"{random.randint(1, 90) * 1_000_000}"
        for node in nodes
    }
    files = {f"{name}.dag": "\n".join(lines) + "\n"}
    files[f"{name}.sub"] = DAG_JOB.format(program=PAYLOAD)
    return Batch(person.user, name, "dag", 4, orders, files)

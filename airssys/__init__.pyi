# The names of the front door, and where each lives: `airssys._door` opens them from
# this table, and type checkers read it.
from . import (
    errors as errors,
    events as events,
    grants as grants,
    testing as testing,
    wasi as wasi,
)
from .actors.actor import Actor as Actor
from .actors.inbox import Inbox as Inbox
from .actors.mailbox import MailboxStatistics as MailboxStatistics
from .actors.reference import ActorRef as ActorRef
from .artifacts.folder import Artifact as Artifact
from .audit import (
    AuditLog as AuditLog,
    open_audit as open_audit,
    verify_audit as verify_audit,
)
from .bindgen.bindings import (
    Answer as Answer,
    Bindings as Bindings,
)
from .bindgen.convert import converter as converter
from .config import load_config as load_config
from .core.child import (
    ChildSpec as ChildSpec,
    Restart as Restart,
)
from .core.errors import *
from .core.event import *
from .core.grants.capabilities import (
    Capability as Capability,
    Custom as Custom,
)
from .core.grants.grants import Grants as Grants
from .core.grants.sections import (
    CustomGrant as CustomGrant,
    FilesystemGrants as FilesystemGrants,
    MessagingGrants as MessagingGrants,
    NetworkGrants as NetworkGrants,
    ProcessGrants as ProcessGrants,
    Sections as Sections,
    StorageGrants as StorageGrants,
)
from .core.health import HealthCheck as HealthCheck
from .core.levels import LogLevel as LogLevel
from .core.limits import (
    CompileLimits as CompileLimits,
    Limits as Limits,
    Quota as Quota,
    SharedQuota as SharedQuota,
    Usage as Usage,
)
from .core.manifests.host import (
    Audit as Audit,
    CompilerPlace as CompilerPlace,
    HostConfig as HostConfig,
    Profile as Profile,
    Slices as Slices,
    host_schema as host_schema,
)
from .core.manifests.manifest import (
    Manifest as Manifest,
    manifest_schema as manifest_schema,
)
from .core.manifests.tree import (
    Tree as Tree,
    tree_schema as tree_schema,
)
from .core.manifests.wasi import Wasi as Wasi
from .core.message import (
    Message as Message,
    Overflow as Overflow,
)
from .core.restart import (
    AutoShutdown as AutoShutdown,
    Backoff as Backoff,
    Intensity as Intensity,
    StopOrder as StopOrder,
    Strategy as Strategy,
)
from .engine.component import (
    Component as Component,
    Engine as Engine,
)
from .engine.instance import Instance as Instance
from .engine.resource import Handle as Handle
from .host.capabilities import capabilities_interface as capabilities_interface
from .host.filesystem import (
    FileLimits as FileLimits,
    filesystem_interfaces as filesystem_interfaces,
)
from .host.network import (
    FixedResolver as FixedResolver,
    Resolver as Resolver,
    Tls as Tls,
    network_interfaces as network_interfaces,
)
from .host.offered import Facilities as Facilities
from .host.permissions import permissions_interface as permissions_interface
from .host.process import (
    ProcessLimits as ProcessLimits,
    ProcessSettings as ProcessSettings,
    open_process_interfaces as open_process_interfaces,
)
from .host.storage import storage_interface as storage_interface
from .hostcalls.call import (
    Call as Call,
    Standing as Standing,
)
from .hostcalls.gate import Gate as Gate
from .hostcalls.interface import HostInterface as HostInterface
from .observe.fan_out import (
    FanOut as FanOut,
    LogSink as LogSink,
    Tally as Tally,
)
from .storage import MemoryStorage as MemoryStorage
from .storage.protocol import (
    Storage as Storage,
    Stored as Stored,
)
from .supervision.nested import supervise as supervise
from .supervision.opening import open_supervisor as open_supervisor
from .supervision.status import (
    ChildState as ChildState,
    ChildStatus as ChildStatus,
)
from .supervision.supervisor import Supervisor as Supervisor
from .system.opening import open_system as open_system
from .system.system import System as System
from .witmodel.types import (
    Err as Err,
    Ok as Ok,
    Record as Record,
    Some as Some,
    Variant as Variant,
)

__version__: str

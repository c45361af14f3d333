//! Which adapters there are, best first.

use crate::at_once::at_once;
use crate::fault::GpuFault;
use std::fmt;
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;
use wgpu::{AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor};

/// How long drivers may take to say what they have.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// Drivers that draw with the processor, whatever they say of themselves.
const SOFTWARE_NAMES: [&str; 5] =
    ["llvmpipe", "lavapipe", "swiftshader", "microsoft basic render", "softpipe"];

/// Whether adapters that are no hardware are listed. They are far slower than the processor itself:
/// for tests only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// As in production.
    Refused,
    /// As in tests.
    Allowed,
}

/// What an adapter is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// With memory of its own.
    Discrete,
    /// Part of the processor.
    Integrated,
    /// Lent by a virtual machine's host.
    Virtual,
    /// It does not say.
    Unknown,
    /// The processor, as a GPU.
    Software,
}

/// What an adapter says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterCard {
    /// As its driver calls it.
    pub name: String,
    /// The interface to it, such as `vulkan`.
    pub backend: String,
    /// Its driver and its version.
    pub driver: String,
    /// What it is.
    pub kind: AdapterKind,
}

impl fmt::Display for AdapterCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, backend, driver, kind } = self;
        write!(f, "{name} ({kind:?}, {backend}, {driver})")
    }
}

/// An adapter that can be opened.
#[derive(Clone, Debug)]
pub struct GpuAdapter {
    card: AdapterCard,
    adapter: wgpu::Adapter,
}

impl GpuAdapter {
    /// What it says of itself.
    #[must_use]
    pub fn card(&self) -> &AdapterCard {
        &self.card
    }

    pub(crate) fn adapter(&self) -> &wgpu::Adapter {
        &self.adapter
    }
}

/// All adapters, best first: discrete, integrated, virtual, and within a kind as the drivers list
/// them. Needs no screen. May be empty.
///
/// # Errors
/// [`GpuFault::Unavailable`] when a driver fails, or takes longer than ten seconds.
pub fn adapters(software: Software) -> Result<Vec<GpuAdapter>, GpuFault> {
    let (found, listed) = mpsc::sync_channel(1);
    // On a thread of its own: a driver that hangs or panics must not take the caller with it.
    let list = move || {
        // Who asked may be gone.
        drop(found.send(list(software)));
    };
    let named = thread::Builder::new().name("conclave-gpu-list".to_owned()).spawn(list);
    named.map_err(|error| GpuFault::unavailable(format!("no thread to list adapters: {error}")))?;
    let late = |_| GpuFault::unavailable("a driver failed or hangs while adapters are listed");
    listed.recv_timeout(LIST_PATIENCE).map_err(late)?
}

const BACKENDS: Backends = Backends::VULKAN.union(Backends::METAL).union(Backends::DX12);

/// Kept until the process ends: a driver that is unloaded may leave an exit handler behind, and the
/// process then ends by a signal (seen with lavapipe, once in some thirty runs).
static INSTANCE: LazyLock<Instance> = LazyLock::new(|| {
    let backends = BACKENDS;
    Instance::new(InstanceDescriptor {
        backends,
        ..InstanceDescriptor::new_without_display_handle()
    })
});

fn list(software: Software) -> Result<Vec<GpuAdapter>, GpuFault> {
    let found = at_once(INSTANCE.enumerate_adapters(BACKENDS))?;
    let listed =
        found.into_iter().map(|adapter| GpuAdapter { card: card(&adapter.get_info()), adapter });
    let is_wanted = |kind| kind != AdapterKind::Software || software == Software::Allowed;
    let mut wanted: Vec<_> = listed.filter(|listed| is_wanted(listed.card.kind)).collect();
    wanted.sort_by_key(|listed| listed.card.kind);
    Ok(wanted)
}

fn card(info: &AdapterInfo) -> AdapterCard {
    let AdapterInfo { name, driver, driver_info, device_type, .. } = info;
    let kind = kind(*device_type, [name, driver, driver_info]);
    let driver = format!("{driver} {driver_info}").trim().to_owned();
    AdapterCard { name: name.clone(), backend: info.backend.to_str().to_owned(), driver, kind }
}

/// A software driver may call itself anything, so names count as well.
fn kind(device_type: DeviceType, names: [&str; 3]) -> AdapterKind {
    let is_software = |name: &str| {
        let name = name.to_lowercase();
        SOFTWARE_NAMES.iter().any(|software| name.contains(software))
    };
    if names.into_iter().any(is_software) {
        return AdapterKind::Software;
    }
    match device_type {
        DeviceType::DiscreteGpu => AdapterKind::Discrete,
        DeviceType::IntegratedGpu => AdapterKind::Integrated,
        DeviceType::VirtualGpu => AdapterKind::Virtual,
        DeviceType::Other => AdapterKind::Unknown,
        DeviceType::Cpu => AdapterKind::Software,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(device_type: DeviceType, names: [&str; 3], expected: AdapterKind) {
        assert_eq!(kind(device_type, names), expected, "{device_type:?} {names:?}");
    }

    #[test]
    fn software_is_known_by_its_kind_and_by_its_names() {
        use AdapterKind::{Discrete, Integrated, Software, Unknown, Virtual};
        check(DeviceType::DiscreteGpu, ["NVIDIA H200", "NVIDIA", "575.1"], Discrete);
        check(DeviceType::IntegratedGpu, ["Apple M3", "", ""], Integrated);
        check(DeviceType::VirtualGpu, ["Virtio-GPU Venus", "venus", ""], Virtual);
        check(DeviceType::Other, ["something", "", ""], Unknown);
        check(DeviceType::Cpu, ["something", "", ""], Software);
        check(DeviceType::VirtualGpu, ["llvmpipe (LLVM 19)", "", ""], Software);
        check(DeviceType::DiscreteGpu, ["SwiftShader Device", "", ""], Software);
        check(DeviceType::Other, ["GPU", "Lavapipe", ""], Software);
        check(DeviceType::Other, ["Microsoft Basic Render Driver", "", ""], Software);
    }
}

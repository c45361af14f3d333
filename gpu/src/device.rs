//! An adapter opened: device and queue, and what they report.

use crate::adapter::GpuAdapter;
use crate::at_once::at_once;
use crate::fault::{GpuFault, Health};
use std::sync::Arc;
use std::time::Instant;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, DeviceDescriptor, Limits, MemoryHints, PollError,
    PollType, SubmissionIndex,
};

/// Device and queue. Whatever goes wrong on them ends in their [`Health`], not in a panic.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) health: Health,
}

impl Device {
    /// Opens `adapter` with no feature beyond what every adapter has.
    pub(crate) fn open(adapter: &GpuAdapter) -> Result<Self, GpuFault> {
        let descriptor = DeviceDescriptor {
            label: Some("conclave"),
            required_limits: Limits::default(),
            memory_hints: MemoryHints::Performance,
            ..DeviceDescriptor::default()
        };
        let opened = at_once(adapter.adapter().request_device(&descriptor))?;
        let (device, queue) = opened.map_err(GpuFault::unavailable)?;
        let health = Health::default();
        let (lost, broken) = (health.clone(), health.clone());
        device.set_device_lost_callback(move |reason, message| {
            lost.fail(GpuFault::unavailable(format!("the device was lost: {reason:?} {message}")));
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            broken.fail(GpuFault::unavailable(error));
        }));
        Ok(Self { device, queue, health })
    }

    /// A buffer of so many bytes, at least 16.
    pub(crate) fn buffer(&self, label: &str, bytes: usize, usage: BufferUsages) -> Buffer {
        let size = bytes.next_multiple_of(16).max(16) as u64;
        let label = Some(label);
        self.device.create_buffer(&BufferDescriptor {
            label,
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A buffer to write uploads into, mapped from the beginning.
    pub(crate) fn mapped_buffer(&self, label: &str, bytes: usize) -> Buffer {
        let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let (label, size) = (Some(label), bytes.next_multiple_of(16) as u64);
        self.device.create_buffer(&BufferDescriptor {
            label,
            size,
            usage,
            mapped_at_creation: true,
        })
    }

    /// A buffer that holds `bytes`, and is never written again.
    pub(crate) fn constant(&self, label: &str, bytes: &[u8]) -> Buffer {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes.len(), usage);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// Waits for a submission, and runs the callbacks that it makes due.
    ///
    /// # Errors
    /// [`GpuFault::Unavailable`] when it is not done by `until`, or the device is lost.
    pub(crate) fn wait(&self, index: &SubmissionIndex, until: Instant) -> Result<(), GpuFault> {
        self.health.check()?;
        let timeout = Some(until.saturating_duration_since(Instant::now()));
        let wait = PollType::Wait { submission_index: Some(index.clone()), timeout };
        match self.device.poll(wait) {
            Ok(_) => self.health.check(),
            Err(PollError::Timeout) => Err(self
                .health
                .fault_or(GpuFault::unavailable("the device did not answer in time"))),
            Err(PollError::WrongSubmissionIndex(..)) => {
                Err(GpuFault::unavailable("the device does not know what was submitted to it"))
            }
        }
    }
}

//! Buffers for one wave, used again and again.
//!
//! While no wave is on its way, a slot's upload buffer is mapped. What goes up is written into
//! mapped memory and copied by the device, so that no wave allocates anything on it.

use crate::device::Device;
use crate::fault::GpuFault;
use crate::layout::{Sizes, Upload};
use crate::pipeline::Constants;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use wgpu::{
    BindGroup, Buffer, BufferAsyncError, BufferUsages, BufferView, CommandEncoder,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, MapMode, SubmissionIndex,
};

/// Buffers of one wave.
#[derive(Debug)]
pub(crate) struct Slot {
    upload: Buffer,
    download: Buffer,
    parts: Parts,
    bindings: BindGroup,
    /// Bytes of states before pieces; those after steps stand behind them.
    before: u64,
}

/// What the shader reads and writes of a wave.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) turns: Buffer,
    pub(crate) pieces: Buffer,
    pub(crate) steps: Buffer,
    pub(crate) states: Buffer,
    pub(crate) logits: Buffer,
}

/// A wave that is on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    index: SubmissionIndex,
    mapped: Receiver<Result<(), BufferAsyncError>>,
    bytes: u64,
}

impl Slot {
    pub(crate) fn new(device: &Device, constants: &Constants, sizes: &Sizes) -> Self {
        let input = BufferUsages::COPY_DST | BufferUsages::STORAGE;
        let output = BufferUsages::COPY_SRC | BufferUsages::STORAGE;
        let uniform = BufferUsages::COPY_DST | BufferUsages::UNIFORM;
        let parts = Parts {
            turns: device.buffer("turns", sizes.turns, uniform),
            pieces: device.buffer("pieces", sizes.pieces, input),
            steps: device.buffer("steps", sizes.steps, input),
            states: device.buffer("states", sizes.before + sizes.after, input | output),
            logits: device.buffer("logits", sizes.logits, output),
        };
        let down = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let bindings = constants.bind(device, &parts);
        let upload = device.mapped_buffer("upload", sizes.upload());
        let download = device.buffer("download", sizes.download(), down);
        let before = sizes.before as u64;
        Self { upload, download, parts, bindings, before }
    }

    /// Submits a wave.
    ///
    /// # Errors
    /// [`GpuFault::Unavailable`] when its upload buffer is gone, as it is with the device.
    pub(crate) fn launch(
        &self,
        device: &Device,
        pipeline: &ComputePipeline,
        (wave, members): (&Upload, u32),
    ) -> Result<Flight, GpuFault> {
        let end = wave.bytes.len() as u64;
        let mapped = self.upload.get_mapped_range_mut(..end);
        mapped.map_err(GpuFault::unavailable)?.copy_from_slice(&wave.bytes);
        self.upload.unmap();
        let descriptor = CommandEncoderDescriptor { label: Some("wave") };
        let mut encoder = device.device.create_command_encoder(&descriptor);
        self.send_up(&mut encoder, wave);
        {
            let mut compute = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            compute.set_pipeline(pipeline);
            for dispatch in &wave.dispatches {
                compute.set_bind_group(0, &self.bindings, &[dispatch.offset]);
                compute.dispatch_workgroups(dispatch.tiles, members, 1);
            }
        }
        self.bring_down(&mut encoder, wave);
        let index = device.queue.submit([encoder.finish()]);
        let (done, mapped) = channel();
        let bytes = wave.download() as u64;
        self.upload.map_async(MapMode::Write, .., tell(done.clone()));
        self.download.map_async(MapMode::Read, ..bytes, tell(done));
        Ok(Flight { index, mapped, bytes })
    }

    fn send_up(&self, encoder: &mut CommandEncoder, wave: &Upload) {
        let Parts { turns, pieces, steps, states, logits: _ } = &self.parts;
        let mut send = |part: &Range<usize>, to: &Buffer| {
            encoder.copy_buffer_to_buffer(
                &self.upload,
                part.start as u64,
                to,
                0,
                part.len() as u64,
            );
        };
        send(&wave.turns, turns);
        send(&wave.pieces, pieces);
        send(&wave.steps, steps);
        send(&wave.before, states);
    }

    fn bring_down(&self, encoder: &mut CommandEncoder, wave: &Upload) {
        let (states, logits) = (wave.after as u64, wave.logits as u64);
        let Parts { states: from, logits: said, .. } = &self.parts;
        encoder.copy_buffer_to_buffer(from, self.before, &self.download, 0, states);
        encoder.copy_buffer_to_buffer(said, 0, &self.download, states, logits);
    }

    /// Waits for a wave, and shows what came of it to `read`.
    ///
    /// # Errors
    /// [`GpuFault::Unavailable`] when it is not done by `until`, or the device is lost; what `read`
    /// says.
    pub(crate) fn land(
        &self,
        device: &Device,
        flight: &Flight,
        until: Instant,
        read: impl FnOnce(&[u8]) -> Result<(), GpuFault>,
    ) -> Result<(), GpuFault> {
        device.wait(&flight.index, until)?;
        for _ in [MapMode::Write, MapMode::Read] {
            let told = flight.mapped.try_recv();
            told.map_err(GpuFault::unavailable)?.map_err(GpuFault::unavailable)?;
        }
        let view: BufferView =
            self.download.get_mapped_range(..flight.bytes).map_err(GpuFault::unavailable)?;
        let taken = read(&view);
        drop(view);
        self.download.unmap();
        taken
    }
}

/// Tells when a buffer is mapped. Nobody listens any more when a wave was given up.
fn tell<T: Send + 'static>(done: Sender<T>) -> impl FnOnce(T) + Send + 'static {
    move |mapped| drop(done.send(mapped))
}

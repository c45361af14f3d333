//! What every wave of a council uses: the compiled shader, and the buffers that never change.

use crate::device::Device;
use crate::model::Model;
use crate::shader::{Variant, shader_text};
use crate::slot::Parts;
use conclave_core::council::Council;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingType, Buffer, BufferBinding, BufferBindingType, BufferSize,
    ComputePipeline, ComputePipelineDescriptor, PipelineCompilationOptions,
    PipelineLayoutDescriptor, ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

/// Bytes of the numbers of one dispatch that the shader reads.
const TURN: Option<BufferSize> = BufferSize::new(16);

/// The buffers that never change, and how the shader finds all buffers.
#[derive(Debug)]
pub(crate) struct Constants {
    layout: BindGroupLayout,
    weights: Buffer,
    scales: Buffer,
    curves: Buffer,
    readout: Buffer,
}

impl Constants {
    /// Sends a council up.
    pub(crate) fn new(device: &Device, council: &Council) -> Self {
        let Model { weights, scales, curves, readout } = Model::new(council);
        Self {
            layout: layout(device),
            weights: device.constant("weights", &weights),
            scales: device.constant("scales", &scales),
            curves: device.constant("curves", &curves),
            readout: device.constant("readout", &readout),
        }
    }

    /// The buffers of a wave beside those that never change, as the shader numbers them.
    pub(crate) fn bind(&self, device: &Device, parts: &Parts) -> BindGroup {
        let Self { layout, weights, scales, curves, readout } = self;
        let Parts { turns, pieces, steps, states, logits } = parts;
        let turn = BufferBinding { buffer: turns, offset: 0, size: TURN };
        let whole = [pieces, steps, weights, scales, curves, readout, states, logits];
        let resources = std::iter::once(wgpu::BindingResource::Buffer(turn))
            .chain(whole.map(Buffer::as_entire_binding));
        let entry = |(binding, resource)| BindGroupEntry { binding, resource };
        let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
        let descriptor = BindGroupDescriptor { label: Some("wave"), layout, entries: &entries };
        device.device.create_bind_group(&descriptor)
    }

    /// Compiles the shader. wgpu's checks of indices and loops stay on.
    pub(crate) fn compile(
        &self,
        device: &Device,
        council: &Council,
        variant: Variant,
    ) -> ComputePipeline {
        let label = Some(variant.name());
        let text = shader_text(council.parts().hidden, variant);
        let source = ShaderSource::Wgsl(text.into());
        let shader = ShaderModuleDescriptor { label, source };
        let module = device.device.create_shader_module(shader);
        let bind_group_layouts = &[Some(&self.layout)];
        let layout = PipelineLayoutDescriptor { label, bind_group_layouts, immediate_size: 0 };
        let layout = device.device.create_pipeline_layout(&layout);
        device.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label,
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions::default(),
            cache: None,
        })
    }
}

fn layout(device: &Device) -> BindGroupLayout {
    let entry = |binding, ty, has_dynamic_offset| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let storage = |read_only| BufferBindingType::Storage { read_only };
    let turn = entry(0, BufferBindingType::Uniform, true);
    let read = (1..=6).map(|binding| entry(binding, storage(true), false));
    let written = (7..=8).map(|binding| entry(binding, storage(false), false));
    let entries: Vec<_> = std::iter::once(turn).chain(read).chain(written).collect();
    let descriptor = BindGroupLayoutDescriptor { label: Some("wave"), entries: &entries };
    device.device.create_bind_group_layout(&descriptor)
}

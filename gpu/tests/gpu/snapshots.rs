//! What naga makes of the shaders for Metal and DirectX, so that a change of them is seen on
//! machines that have neither. `UPDATE_SNAPSHOTS=1` writes the files anew.

use conclave_core::council::HiddenSize;
use conclave_gpu::{Variant, shader_text};
use naga::back::{hlsl, msl};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use std::path::PathBuf;

const SIZES: [HiddenSize; 3] = [HiddenSize::H16, HiddenSize::H32, HiddenSize::H64];

/// The shader, parsed and found valid without any optional capability: no 64 bits, no float16, no
/// atomics beyond the basics, no subgroups.
fn validated(text: &str) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).unwrap();
    (module, info)
}

fn metal(module: &naga::Module, info: &ModuleInfo) -> String {
    let restrict = BoundsCheckPolicy::Restrict;
    // As wgpu has it while its checks are on.
    let bounds_check_policies =
        BoundsCheckPolicies { index: restrict, buffer: restrict, ..BoundsCheckPolicies::default() };
    let lang_version = (2, 4);
    let options = msl::Options { lang_version, bounds_check_policies, ..msl::Options::default() };
    msl::write_string(module, info, &options, &msl::PipelineOptions::default()).unwrap().0
}

fn directx(module: &naga::Module, info: &ModuleInfo) -> String {
    let options =
        hlsl::Options { shader_model: hlsl::ShaderModel::V6_4, ..hlsl::Options::default() };
    let mut text = String::new();
    let pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None).unwrap();
    text
}

#[track_caller]
fn check(name: &str, found: &str) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    let path = folder.join(name);
    if std::env::var("UPDATE_SNAPSHOTS").is_ok_and(|set| set == "1") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{name} is no longer what naga makes of the shader; look at what changed, then set \
         UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn what_metal_and_directx_get_is_what_was_looked_at() {
    for variant in Variant::ALL {
        let text = shader_text(HiddenSize::H32, variant);
        check(&format!("{}.wgsl", variant.name()), &text);
        let (module, info) = validated(&text);
        check(&format!("{}.metal", variant.name()), &metal(&module, &info));
        check(&format!("{}.hlsl", variant.name()), &directx(&module, &info));
    }
}

#[test]
fn every_shader_is_valid_and_made_of_integers_alone() {
    for (hidden, variant) in SIZES.into_iter().flat_map(|size| Variant::ALL.map(|way| (size, way)))
    {
        let text = shader_text(hidden, variant);
        validated(&text);
        let code = text.lines().map(|line| line.split("//").next().unwrap());
        for line in code {
            let banned = ["f32", "f16", "i64", "u64", "atomic", "subgroup", " / ", " % ", "$"];
            let found = banned.iter().find(|word| line.contains(**word));
            assert_eq!(found, None, "{hidden:?} {variant:?}: {line}");
        }
    }
}

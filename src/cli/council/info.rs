//! What a council's file holds.

use conclave_core::council::{CouncilFile, FeatureMask, Member};
use serde::Serialize;

/// What a council's file holds.
#[derive(Serialize)]
pub(super) struct Info {
    model: String,
    bytes: usize,
    feature_schema: String,
    hidden_units: usize,
    state_bytes: usize,
    approve_from_basis_points: u16,
    deny_from_basis_points: u16,
    confidence_from_per_mille: u16,
    golden_sequences: usize,
    members: Vec<MemberInfo>,
}

#[derive(Serialize)]
struct MemberInfo {
    label: String,
    weight_basis_points: u16,
    veto_from_per_mille: u16,
    features: u32,
    parameters: usize,
    /// Confidence without any margin, and with the largest.
    confidence_per_mille: [u16; 2],
}

impl Info {
    pub(super) fn of(file: &CouncilFile, bytes: usize) -> Self {
        let (council, parts) = (file.council(), file.council().parts());
        Self {
            model: file.id().0.to_string(),
            bytes,
            feature_schema: parts.schema.0.to_string(),
            hidden_units: parts.hidden.units(),
            state_bytes: council.words() * size_of::<i16>(),
            approve_from_basis_points: parts.quorum.approve_bp,
            deny_from_basis_points: parts.quorum.deny_bp,
            confidence_from_per_mille: parts.quorum.confidence_min.0,
            golden_sequences: file.golden().len(),
            members: parts.members.iter().map(MemberInfo::of).collect(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let Self { hidden_units, state_bytes, .. } = self;
        let mut lines = vec![
            format!("model     {} ({} bytes)", self.model, self.bytes),
            format!("features  schema {}", self.feature_schema),
            format!("state     {hidden_units} units a member, {state_bytes} bytes a tenant"),
            format!(
                "quorum    approve with {} % of the weight, deny with {} %, {} per mille sure",
                percent(self.approve_from_basis_points),
                percent(self.deny_from_basis_points),
                self.confidence_from_per_mille
            ),
            format!("golden    {} sequences", self.golden_sequences),
        ];
        lines.extend(self.members.iter().map(MemberInfo::line));
        lines
    }
}

impl MemberInfo {
    fn of(member: &Member) -> Self {
        let FeatureMask(mask) = member.mask;
        let entries = member.calibration.entries();
        Self {
            label: member.label.clone(),
            weight_basis_points: member.weight_bp,
            veto_from_per_mille: member.veto.0,
            features: mask.count_ones(),
            parameters: [&member.heads, &member.readout]
                .iter()
                .map(|rows| rows.weights.len() + rows.biases.len())
                .sum(),
            confidence_per_mille: [entries[0], entries[entries.len() - 1]],
        }
    }

    fn line(&self) -> String {
        let [least, most] = self.confidence_per_mille;
        format!(
            "member    {}: weight {} %, veto from {} per mille, {} features, {} parameters, \
             {least} to {most} per mille sure",
            self.label,
            percent(self.weight_basis_points),
            self.veto_from_per_mille,
            self.features,
            self.parameters
        )
    }
}

/// Basis points as per cent with as many decimals as there are.
fn percent(basis_points: u16) -> String {
    let (whole, rest) = (basis_points / 100, basis_points % 100);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:02}") }
}

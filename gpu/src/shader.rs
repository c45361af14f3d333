//! The text of the shader: one for each hidden size and each way to multiply four int8 at once.
//!
//! The rows of a unit are named values and not an array: an array that is indexed at run time would
//! lie in slow memory. So the lines that load and multiply them are written out here.

use crate::wave::WAVE_PIECES;
use conclave_core::council::HiddenSize;
use std::fmt::Write;

/// Steps of a piece in one dispatch: no dispatch takes so long that a driver thinks it hangs.
pub const TURN_STEPS: usize = 16;

const COUNCIL: &str = include_str!("wgsl/council.wgsl");
/// The rows of a unit, in the order of the file.
const HEADS: [&str; 4] = ["early", "late", "rate", "base"];
/// The words of a `vec4`.
const LANES: [&str; 4] = ["x", "y", "z", "w"];

/// How four int8 are multiplied and summed. Both find the same words; which one is faster differs
/// from machine to machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// `dot4I8Packed`, one instruction where the machine has it.
    Packed,
    /// Unpacked to four int32.
    Unpacked,
}

impl Variant {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Packed, Self::Unpacked];

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Packed => "packed",
            Self::Unpacked => "unpacked",
        }
    }

    fn dot4(self) -> &'static str {
        match self {
            Self::Packed => include_str!("wgsl/dot4_packed.wgsl"),
            Self::Unpacked => include_str!("wgsl/dot4_unpacked.wgsl"),
        }
    }
}

/// The WGSL that steps councils of this size.
#[must_use]
pub fn shader_text(hidden: HiddenSize, variant: Variant) -> String {
    let (units, operands) = (hidden.units(), hidden.operands());
    let chunks = chunks(hidden);
    let parts = [
        ("$OPERAND_WORDS", (operands / 4).to_string()),
        ("$UNIT_WORDS", (units / 4).to_string()),
        ("$STATE_WORDS", (units / 2).to_string()),
        ("$TURN_STEPS", TURN_STEPS.to_string()),
        ("$UNITS", units.to_string()),
        ("$WAVE_PIECES", WAVE_PIECES.to_string()),
        ("$DOT4\n", variant.dot4().to_owned()),
        ("$LOAD\n", load(chunks)),
        ("$SUM\n", sum(chunks)),
    ];
    parts.iter().fold(COUNCIL.to_owned(), |text, (mark, part)| text.replace(mark, part))
}

/// A row's operands, sixteen at a time.
pub(crate) fn chunks(hidden: HiddenSize) -> usize {
    hidden.operands() / 16
}

/// Reads the four rows of a unit, which stay in registers for all pieces of a tile.
fn load(chunks: usize) -> String {
    let mut text = String::new();
    for (index, head) in HEADS.iter().enumerate() {
        line(&mut text, 1, &format!("let {head}_scale = scales[row + {index}u * UNITS];"));
        for chunk in 0..chunks {
            let at = format!("((member * 4u + {index}u) * {chunks}u + {chunk}u) * UNITS + unit");
            line(&mut text, 1, &format!("let {head}_{chunk} = weights[{at}];"));
        }
    }
    text
}

/// Sums the products of the four rows with u.
fn sum(chunks: usize) -> String {
    let mut text = String::new();
    for head in HEADS {
        line(&mut text, 3, &format!("var {head} = {head}_scale.x;"));
    }
    for word in 0..4 * chunks {
        let (chunk, lane) = (word / 4, LANES[word % 4]);
        line(&mut text, 3, &format!("let u_{word} = operands[{word}u];"));
        for head in HEADS {
            line(&mut text, 3, &format!("{head} += dot4({head}_{chunk}.{lane}, u_{word});"));
        }
    }
    text
}

fn line(text: &mut String, depth: usize, code: &str) {
    writeln!(text, "{:1$}{code}", "", 4 * depth).expect("a string takes all that is written");
}

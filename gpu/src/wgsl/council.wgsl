// Steps of the council: docs/council-spec.md, sections 4, 6 and 7.
//
// One workgroup steps the pieces of one tile for one member, one thread is one hidden unit. Integers
// only; no division, no atomics, no subgroups. Nothing overflows: the range proof of the file.
// A dollar sign marks what `shader.rs` fills in.

const UNITS: u32 = $UNITSu;
// 32 features, four to a word.
const FEATURE_WORDS: u32 = 8u;
// The units of a state as operands, four to a word.
const UNIT_WORDS: u32 = $UNIT_WORDSu;
// The units of a state as they are stored, two to a word.
const STATE_WORDS: u32 = $STATE_WORDSu;
// Features and the time code.
const STEP_WORDS: u32 = 9u;
const LOGITS: u32 = 3u;
// Steps of a piece in one dispatch.
const TURN_STEPS: u32 = $TURN_STEPSu;
// States before pieces; those after steps stand behind them.
const STATES_BEFORE: u32 = $WAVE_PIECESu;
// Intervals of a curve; the sigmoid stands behind the tanh.
const SIGMOID: u32 = 256u;

// One dispatch: the steps of all pieces from `start` on.
struct Turn { start: u32, tile: u32, pieces: u32, members: u32 }

@group(0) @binding(0) var<uniform> turn: Turn;
// First step, number of steps.
@group(0) @binding(1) var<storage, read> pieces: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> steps: array<u32>;
// By member, head, sixteen operands and unit: neighbours read neighbouring words.
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
// Bias, multiplier, half of the shift's unit, shift; the rows of all heads, then all readouts.
@group(0) @binding(4) var<storage, read> scales: array<vec4<i32>>;
// Where an interval begins, and how much higher it ends.
@group(0) @binding(5) var<storage, read> curves: array<vec2<i32>>;
@group(0) @binding(6) var<storage, read> readout: array<i32>;
// Before each piece, then after each step.
@group(0) @binding(7) var<storage, read_write> states: array<u32>;
@group(0) @binding(8) var<storage, read_write> logits: array<i32>;

// The state of this member, for all threads to read.
var<workgroup> hidden: array<i32, $UNITS>;
// u, four to a word.
var<workgroup> operands: array<u32, $OPERAND_WORDS>;

$DOT4

// clamp16(R(accumulator * m, n)) of a row.
fn scaled(accumulator: i32, scale: vec4<i32>) -> i32 {
    let shifted = (accumulator * scale.y + scale.z) >> bitcast<u32>(scale.w);
    return clamp(shifted, -32768, 32767);
}

// T(y) of the curve whose intervals begin at `first`.
fn curve(first: u32, y: i32) -> i32 {
    let place = clamp(y, -16384, 16383) + 16384;
    let ends = curves[first + bitcast<u32>(place >> 7u)];
    return ends.x + ((ends.y * (place & 127) + 64) >> 7u);
}

// The operand of one hidden unit, as the lowest byte.
fn operand(unit: u32) -> u32 {
    return bitcast<u32>(clamp((hidden[unit] + 64) >> 7u, -127, 127)) & 255u;
}

// Writes u: every word by one thread.
fn gather(first: u32, unit: u32) {
    if (unit < FEATURE_WORDS) {
        operands[unit] = steps[first + unit];
    }
    if (unit < UNIT_WORDS) {
        let at = unit << 2u;
        operands[FEATURE_WORDS + unit] = operand(at) | (operand(at + 1u) << 8u)
            | (operand(at + 2u) << 16u) | (operand(at + 3u) << 24u);
    }
}

// One logit of a member, read from its state.
fn logit(member: u32, index: u32) -> i32 {
    let row = member * LOGITS + index;
    let scale = scales[turn.members * (UNITS << 2u) + row];
    var accumulator = scale.x;
    for (var unit = 0u; unit < UNITS; unit += 1u) {
        accumulator += readout[row * UNITS + unit] * hidden[unit];
    }
    return scaled((accumulator + 64) >> 7u, scale);
}

// Where the words of a member in a state begin.
fn words(state: u32, member: u32) -> u32 {
    return (state * turn.members + member) * STATE_WORDS;
}

@compute @workgroup_size($UNITS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) unit: u32,
) {
    let member = group.y;
    let row = member * (UNITS << 2u) + unit;
$LOAD
    let first = group.x * turn.tile;
    let last = min(first + turn.tile, turn.pieces);
    for (var index = first; index < last; index += 1u) {
        let piece = pieces[index];
        let start = piece.x + turn.start;
        let until = piece.x + min(turn.start + TURN_STEPS, piece.y);
        var before = index;
        if (0u < turn.start) {
            // The dispatch before left it.
            before = STATES_BEFORE + start - 1u;
        }
        // Two to a word; the shifts to and fro extend the sign.
        let pair = states[words(before, member) + (unit >> 1u)];
        hidden[unit] = bitcast<i32>(pair << (16u - ((unit & 1u) << 4u))) >> 16u;
        workgroupBarrier();
        for (var step = start; step < until; step += 1u) {
            gather(step * STEP_WORDS, unit);
            let time = bitcast<i32>(steps[step * STEP_WORDS + FEATURE_WORDS]);
            workgroupBarrier();
$SUM
            let t1 = curve(0u, scaled(early, early_scale));
            let t2 = curve(0u, scaled(late, late_scale));
            let p = scaled(rate, rate_scale);
            let q = scaled(base, base_scale);
            let g = curve(SIGMOID, ((p * time + 128) >> 8u) + q);
            hidden[unit] = t1 + (((t2 - t1) * g + 8192) >> 14u);
            workgroupBarrier();
            if (unit < LOGITS) {
                logits[(step * turn.members + member) * LOGITS + unit] = logit(member, unit);
            }
            if (unit < STATE_WORDS) {
                let low = bitcast<u32>(hidden[unit << 1u]) & 65535u;
                let high = bitcast<u32>(hidden[(unit << 1u) + 1u]) << 16u;
                states[words(STATES_BEFORE + step, member) + unit] = low | high;
            }
        }
        // The next piece writes what this one has just read.
        workgroupBarrier();
    }
}

// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size1;
    uint size2;
    uint size3;
    uint size4;
    uint size5;
    uint size6;
    uint size7;
    uint size8;
};

struct Turn {
    uint start;
    uint tile;
    uint pieces;
    uint members;
};
typedef metal::uint2 type_2[1];
typedef uint type_3[1];
typedef metal::uint4 type_5[1];
typedef metal::int4 type_8[1];
typedef metal::int2 type_10[1];
typedef int type_11[1];
struct type_12 {
    int inner[32];
};
struct type_13 {
    uint inner[16];
};
constant uint UNITS = 32u;
constant uint FEATURE_WORDS = 8u;
constant uint UNIT_WORDS = 8u;
constant uint STATE_WORDS = 16u;
constant uint STEP_WORDS = 9u;
constant uint LOGITS = 3u;
constant uint TURN_STEPS = 16u;
constant uint STATES_BEFORE = 4096u;
constant uint SIGMOID = 256u;

int dot4_(
    uint weights,
    uint operands
) {
    packed_char4 reinterpreted_packed_char4_e0 = as_type<packed_char4>(weights);
    packed_char4 reinterpreted_packed_char4_e1 = as_type<packed_char4>(operands);
    return ( + reinterpreted_packed_char4_e0[0] * reinterpreted_packed_char4_e1[0] + reinterpreted_packed_char4_e0[1] * reinterpreted_packed_char4_e1[1] + reinterpreted_packed_char4_e0[2] * reinterpreted_packed_char4_e1[2] + reinterpreted_packed_char4_e0[3] * reinterpreted_packed_char4_e1[3]);
}

int scaled(
    int accumulator,
    metal::int4 scale
) {
    int shifted = as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(accumulator) * as_type<uint>(scale.y))) + as_type<uint>(scale.z)) >> as_type<uint>(scale.w);
    return metal::clamp(shifted, -32768, 32767);
}

int curve(
    uint first,
    int y,
    device type_10 const& curves,
    constant _mslBufferSizes& _buffer_sizes
) {
    int place = as_type<int>(as_type<uint>(metal::clamp(y, -16384, 16383)) + as_type<uint>(16384));
    metal::int2 ends = curves[metal::min(unsigned(first + as_type<uint>(place >> 7u)), (_buffer_sizes.size5 - 0 - 8) / 8)];
    return as_type<int>(as_type<uint>(ends.x) + as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(ends.y) * as_type<uint>(place & 127))) + as_type<uint>(64)) >> 7u));
}

uint operand(
    uint unit_1,
    threadgroup type_12& hidden
) {
    int _e3 = hidden.inner[metal::min(unsigned(unit_1), 31u)];
    return as_type<uint>(metal::clamp(as_type<int>(as_type<uint>(_e3) + as_type<uint>(64)) >> 7u, -127, 127)) & 255u;
}

void gather(
    uint first_1,
    uint unit_2,
    device type_3 const& steps,
    threadgroup type_12& hidden,
    threadgroup type_13& operands_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (unit_2 < FEATURE_WORDS) {
        uint _e9 = steps[metal::min(unsigned(first_1 + unit_2), (_buffer_sizes.size2 - 0 - 4) / 4)];
        operands_1.inner[metal::min(unsigned(unit_2), 15u)] = _e9;
    }
    if (unit_2 < UNIT_WORDS) {
        uint at = unit_2 << 2u;
        uint _e18 = operand(at, hidden);
        uint _e21 = operand(at + 1u, hidden);
        uint _e27 = operand(at + 2u, hidden);
        uint _e33 = operand(at + 3u, hidden);
        operands_1.inner[metal::min(unsigned(FEATURE_WORDS + unit_2), 15u)] = ((_e18 | (_e21 << 8u)) | (_e27 << 16u)) | (_e33 << 24u);
        return;
    } else {
        return;
    }
}

int logit(
    uint member,
    uint index_1,
    constant Turn& turn,
    device type_8 const& scales,
    device type_11 const& readout,
    threadgroup type_12& hidden,
    constant _mslBufferSizes& _buffer_sizes
) {
    int accumulator_1 = {};
    uint unit_3 = 0u;
    uint row = (member * LOGITS) + index_1;
    uint _e8 = turn.members;
    metal::int4 scale_1 = scales[metal::min(unsigned((_e8 * 128u) + row), (_buffer_sizes.size4 - 0 - 16) / 16)];
    accumulator_1 = scale_1.x;
    uint2 loop_bound = uint2(4294967295u);
    bool loop_init = true;
    while(true) {
        if (metal::all(loop_bound == uint2(0u))) { break; }
        loop_bound -= uint2(loop_bound.y == 0u, 1u);
        if (!loop_init) {
            uint _e35 = unit_3;
            unit_3 = _e35 + 1u;
        }
        loop_init = false;
        uint _e18 = unit_3;
        if (_e18 < UNITS) {
        } else {
            break;
        }
        {
            int _e21 = accumulator_1;
            uint _e25 = unit_3;
            int _e28 = readout[metal::min(unsigned((row * UNITS) + _e25), (_buffer_sizes.size6 - 0 - 4) / 4)];
            uint _e30 = unit_3;
            int _e32 = hidden.inner[metal::min(unsigned(_e30), 31u)];
            accumulator_1 = as_type<int>(as_type<uint>(_e21) + as_type<uint>(as_type<int>(as_type<uint>(_e28) * as_type<uint>(_e32))));
        }
    }
    int _e38 = accumulator_1;
    int _e43 = scaled(as_type<int>(as_type<uint>(_e38) + as_type<uint>(64)) >> 7u, scale_1);
    return _e43;
}

uint words(
    uint state,
    uint member_1,
    constant Turn& turn
) {
    uint _e4 = turn.members;
    return ((state * _e4) + member_1) * STATE_WORDS;
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(32)]] kernel void main_(
  metal::uint3 group [[threadgroup_position_in_grid]]
, uint unit [[thread_index_in_threadgroup]]
, constant Turn& turn [[user(fake0)]]
, device type_2 const& pieces [[user(fake0)]]
, device type_3 const& steps [[user(fake0)]]
, device type_5 const& weights_1 [[user(fake0)]]
, device type_8 const& scales [[user(fake0)]]
, device type_10 const& curves [[user(fake0)]]
, device type_11 const& readout [[user(fake0)]]
, device type_3& states [[user(fake0)]]
, device type_11& logits [[user(fake0)]]
, threadgroup type_12& hidden
, threadgroup type_13& operands_1
, constant _mslBufferSizes& _buffer_sizes [[user(fake0)]]
) {
    if (unit == 0u) {
        hidden = {};
        operands_1 = {};
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint index = {};
    uint before = {};
    uint step = {};
    int early = {};
    int late = {};
    int rate = {};
    int base = {};
    uint member_3 = group.y;
    uint row_1 = (member_3 * 128u) + unit;
    metal::int4 early_scale = scales[metal::min(unsigned(row_1 + 0u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 early_0_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 0u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 early_1_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 0u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 early_2_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 0u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 early_3_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 0u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::int4 late_scale = scales[metal::min(unsigned(row_1 + 32u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 late_0_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 1u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 late_1_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 1u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 late_2_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 1u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 late_3_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 1u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::int4 rate_scale = scales[metal::min(unsigned(row_1 + 64u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 rate_0_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 2u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 rate_1_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 2u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 rate_2_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 2u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 rate_3_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 2u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::int4 base_scale = scales[metal::min(unsigned(row_1 + 96u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 base_0_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 3u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 base_1_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 3u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 base_2_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 3u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 base_3_ = weights_1[metal::min(unsigned((((((member_3 * 4u) + 3u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    uint _e253 = turn.tile;
    uint first_2 = group.x * _e253;
    uint _e257 = turn.tile;
    uint _e261 = turn.pieces;
    uint last = metal::min(first_2 + _e257, _e261);
    index = first_2;
    uint2 loop_bound_1 = uint2(4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (metal::all(loop_bound_1 == uint2(0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e716 = index;
            index = _e716 + 1u;
        }
        loop_init_1 = false;
        uint _e264 = index;
        if (_e264 < last) {
        } else {
            break;
        }
        {
            uint _e267 = index;
            metal::uint2 piece = pieces[metal::min(unsigned(_e267), (_buffer_sizes.size1 - 0 - 8) / 8)];
            uint _e273 = turn.start;
            uint start = piece.x + _e273;
            uint _e278 = turn.start;
            uint until = piece.x + metal::min(_e278 + TURN_STEPS, piece.y);
            uint _e284 = index;
            before = _e284;
            uint _e289 = turn.start;
            if (0u < _e289) {
                before = (STATES_BEFORE + start) - 1u;
            }
            uint _e296 = before;
            uint _e297 = words(_e296, member_3, turn);
            uint pair = states[metal::min(unsigned(_e297 + (unit >> 1u)), (_buffer_sizes.size7 - 0 - 4) / 4)];
            hidden.inner[metal::min(unsigned(unit), 31u)] = as_type<int>(pair << (16u - ((unit & 1u) << 4u))) >> 16u;
            metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
            step = start;
            uint2 loop_bound_2 = uint2(4294967295u);
            bool loop_init_2 = true;
            while(true) {
                if (metal::all(loop_bound_2 == uint2(0u))) { break; }
                loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
                if (!loop_init_2) {
                    uint _e713 = step;
                    step = _e713 + 1u;
                }
                loop_init_2 = false;
                uint _e316 = step;
                if (_e316 < until) {
                } else {
                    break;
                }
                {
                    uint _e318 = step;
                    gather(_e318 * STEP_WORDS, unit, steps, hidden, operands_1, _buffer_sizes);
                    uint _e322 = step;
                    uint _e328 = steps[metal::min(unsigned((_e322 * STEP_WORDS) + FEATURE_WORDS), (_buffer_sizes.size2 - 0 - 4) / 4)];
                    int time = as_type<int>(_e328);
                    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
                    early = early_scale.x;
                    late = late_scale.x;
                    rate = rate_scale.x;
                    base = base_scale.x;
                    uint u_0_ = operands_1.inner[0];
                    int _e341 = early;
                    int _e343 = dot4_(early_0_.x, u_0_);
                    early = as_type<int>(as_type<uint>(_e341) + as_type<uint>(_e343));
                    int _e345 = late;
                    int _e347 = dot4_(late_0_.x, u_0_);
                    late = as_type<int>(as_type<uint>(_e345) + as_type<uint>(_e347));
                    int _e349 = rate;
                    int _e351 = dot4_(rate_0_.x, u_0_);
                    rate = as_type<int>(as_type<uint>(_e349) + as_type<uint>(_e351));
                    int _e353 = base;
                    int _e355 = dot4_(base_0_.x, u_0_);
                    base = as_type<int>(as_type<uint>(_e353) + as_type<uint>(_e355));
                    uint u_1_ = operands_1.inner[1];
                    int _e360 = early;
                    int _e362 = dot4_(early_0_.y, u_1_);
                    early = as_type<int>(as_type<uint>(_e360) + as_type<uint>(_e362));
                    int _e364 = late;
                    int _e366 = dot4_(late_0_.y, u_1_);
                    late = as_type<int>(as_type<uint>(_e364) + as_type<uint>(_e366));
                    int _e368 = rate;
                    int _e370 = dot4_(rate_0_.y, u_1_);
                    rate = as_type<int>(as_type<uint>(_e368) + as_type<uint>(_e370));
                    int _e372 = base;
                    int _e374 = dot4_(base_0_.y, u_1_);
                    base = as_type<int>(as_type<uint>(_e372) + as_type<uint>(_e374));
                    uint u_2_ = operands_1.inner[2];
                    int _e379 = early;
                    int _e381 = dot4_(early_0_.z, u_2_);
                    early = as_type<int>(as_type<uint>(_e379) + as_type<uint>(_e381));
                    int _e383 = late;
                    int _e385 = dot4_(late_0_.z, u_2_);
                    late = as_type<int>(as_type<uint>(_e383) + as_type<uint>(_e385));
                    int _e387 = rate;
                    int _e389 = dot4_(rate_0_.z, u_2_);
                    rate = as_type<int>(as_type<uint>(_e387) + as_type<uint>(_e389));
                    int _e391 = base;
                    int _e393 = dot4_(base_0_.z, u_2_);
                    base = as_type<int>(as_type<uint>(_e391) + as_type<uint>(_e393));
                    uint u_3_ = operands_1.inner[3];
                    int _e398 = early;
                    int _e400 = dot4_(early_0_.w, u_3_);
                    early = as_type<int>(as_type<uint>(_e398) + as_type<uint>(_e400));
                    int _e402 = late;
                    int _e404 = dot4_(late_0_.w, u_3_);
                    late = as_type<int>(as_type<uint>(_e402) + as_type<uint>(_e404));
                    int _e406 = rate;
                    int _e408 = dot4_(rate_0_.w, u_3_);
                    rate = as_type<int>(as_type<uint>(_e406) + as_type<uint>(_e408));
                    int _e410 = base;
                    int _e412 = dot4_(base_0_.w, u_3_);
                    base = as_type<int>(as_type<uint>(_e410) + as_type<uint>(_e412));
                    uint u_4_ = operands_1.inner[4];
                    int _e417 = early;
                    int _e419 = dot4_(early_1_.x, u_4_);
                    early = as_type<int>(as_type<uint>(_e417) + as_type<uint>(_e419));
                    int _e421 = late;
                    int _e423 = dot4_(late_1_.x, u_4_);
                    late = as_type<int>(as_type<uint>(_e421) + as_type<uint>(_e423));
                    int _e425 = rate;
                    int _e427 = dot4_(rate_1_.x, u_4_);
                    rate = as_type<int>(as_type<uint>(_e425) + as_type<uint>(_e427));
                    int _e429 = base;
                    int _e431 = dot4_(base_1_.x, u_4_);
                    base = as_type<int>(as_type<uint>(_e429) + as_type<uint>(_e431));
                    uint u_5_ = operands_1.inner[5];
                    int _e436 = early;
                    int _e438 = dot4_(early_1_.y, u_5_);
                    early = as_type<int>(as_type<uint>(_e436) + as_type<uint>(_e438));
                    int _e440 = late;
                    int _e442 = dot4_(late_1_.y, u_5_);
                    late = as_type<int>(as_type<uint>(_e440) + as_type<uint>(_e442));
                    int _e444 = rate;
                    int _e446 = dot4_(rate_1_.y, u_5_);
                    rate = as_type<int>(as_type<uint>(_e444) + as_type<uint>(_e446));
                    int _e448 = base;
                    int _e450 = dot4_(base_1_.y, u_5_);
                    base = as_type<int>(as_type<uint>(_e448) + as_type<uint>(_e450));
                    uint u_6_ = operands_1.inner[6];
                    int _e455 = early;
                    int _e457 = dot4_(early_1_.z, u_6_);
                    early = as_type<int>(as_type<uint>(_e455) + as_type<uint>(_e457));
                    int _e459 = late;
                    int _e461 = dot4_(late_1_.z, u_6_);
                    late = as_type<int>(as_type<uint>(_e459) + as_type<uint>(_e461));
                    int _e463 = rate;
                    int _e465 = dot4_(rate_1_.z, u_6_);
                    rate = as_type<int>(as_type<uint>(_e463) + as_type<uint>(_e465));
                    int _e467 = base;
                    int _e469 = dot4_(base_1_.z, u_6_);
                    base = as_type<int>(as_type<uint>(_e467) + as_type<uint>(_e469));
                    uint u_7_ = operands_1.inner[7];
                    int _e474 = early;
                    int _e476 = dot4_(early_1_.w, u_7_);
                    early = as_type<int>(as_type<uint>(_e474) + as_type<uint>(_e476));
                    int _e478 = late;
                    int _e480 = dot4_(late_1_.w, u_7_);
                    late = as_type<int>(as_type<uint>(_e478) + as_type<uint>(_e480));
                    int _e482 = rate;
                    int _e484 = dot4_(rate_1_.w, u_7_);
                    rate = as_type<int>(as_type<uint>(_e482) + as_type<uint>(_e484));
                    int _e486 = base;
                    int _e488 = dot4_(base_1_.w, u_7_);
                    base = as_type<int>(as_type<uint>(_e486) + as_type<uint>(_e488));
                    uint u_8_ = operands_1.inner[8];
                    int _e493 = early;
                    int _e495 = dot4_(early_2_.x, u_8_);
                    early = as_type<int>(as_type<uint>(_e493) + as_type<uint>(_e495));
                    int _e497 = late;
                    int _e499 = dot4_(late_2_.x, u_8_);
                    late = as_type<int>(as_type<uint>(_e497) + as_type<uint>(_e499));
                    int _e501 = rate;
                    int _e503 = dot4_(rate_2_.x, u_8_);
                    rate = as_type<int>(as_type<uint>(_e501) + as_type<uint>(_e503));
                    int _e505 = base;
                    int _e507 = dot4_(base_2_.x, u_8_);
                    base = as_type<int>(as_type<uint>(_e505) + as_type<uint>(_e507));
                    uint u_9_ = operands_1.inner[9];
                    int _e512 = early;
                    int _e514 = dot4_(early_2_.y, u_9_);
                    early = as_type<int>(as_type<uint>(_e512) + as_type<uint>(_e514));
                    int _e516 = late;
                    int _e518 = dot4_(late_2_.y, u_9_);
                    late = as_type<int>(as_type<uint>(_e516) + as_type<uint>(_e518));
                    int _e520 = rate;
                    int _e522 = dot4_(rate_2_.y, u_9_);
                    rate = as_type<int>(as_type<uint>(_e520) + as_type<uint>(_e522));
                    int _e524 = base;
                    int _e526 = dot4_(base_2_.y, u_9_);
                    base = as_type<int>(as_type<uint>(_e524) + as_type<uint>(_e526));
                    uint u_10_ = operands_1.inner[10];
                    int _e531 = early;
                    int _e533 = dot4_(early_2_.z, u_10_);
                    early = as_type<int>(as_type<uint>(_e531) + as_type<uint>(_e533));
                    int _e535 = late;
                    int _e537 = dot4_(late_2_.z, u_10_);
                    late = as_type<int>(as_type<uint>(_e535) + as_type<uint>(_e537));
                    int _e539 = rate;
                    int _e541 = dot4_(rate_2_.z, u_10_);
                    rate = as_type<int>(as_type<uint>(_e539) + as_type<uint>(_e541));
                    int _e543 = base;
                    int _e545 = dot4_(base_2_.z, u_10_);
                    base = as_type<int>(as_type<uint>(_e543) + as_type<uint>(_e545));
                    uint u_11_ = operands_1.inner[11];
                    int _e550 = early;
                    int _e552 = dot4_(early_2_.w, u_11_);
                    early = as_type<int>(as_type<uint>(_e550) + as_type<uint>(_e552));
                    int _e554 = late;
                    int _e556 = dot4_(late_2_.w, u_11_);
                    late = as_type<int>(as_type<uint>(_e554) + as_type<uint>(_e556));
                    int _e558 = rate;
                    int _e560 = dot4_(rate_2_.w, u_11_);
                    rate = as_type<int>(as_type<uint>(_e558) + as_type<uint>(_e560));
                    int _e562 = base;
                    int _e564 = dot4_(base_2_.w, u_11_);
                    base = as_type<int>(as_type<uint>(_e562) + as_type<uint>(_e564));
                    uint u_12_ = operands_1.inner[12];
                    int _e569 = early;
                    int _e571 = dot4_(early_3_.x, u_12_);
                    early = as_type<int>(as_type<uint>(_e569) + as_type<uint>(_e571));
                    int _e573 = late;
                    int _e575 = dot4_(late_3_.x, u_12_);
                    late = as_type<int>(as_type<uint>(_e573) + as_type<uint>(_e575));
                    int _e577 = rate;
                    int _e579 = dot4_(rate_3_.x, u_12_);
                    rate = as_type<int>(as_type<uint>(_e577) + as_type<uint>(_e579));
                    int _e581 = base;
                    int _e583 = dot4_(base_3_.x, u_12_);
                    base = as_type<int>(as_type<uint>(_e581) + as_type<uint>(_e583));
                    uint u_13_ = operands_1.inner[13];
                    int _e588 = early;
                    int _e590 = dot4_(early_3_.y, u_13_);
                    early = as_type<int>(as_type<uint>(_e588) + as_type<uint>(_e590));
                    int _e592 = late;
                    int _e594 = dot4_(late_3_.y, u_13_);
                    late = as_type<int>(as_type<uint>(_e592) + as_type<uint>(_e594));
                    int _e596 = rate;
                    int _e598 = dot4_(rate_3_.y, u_13_);
                    rate = as_type<int>(as_type<uint>(_e596) + as_type<uint>(_e598));
                    int _e600 = base;
                    int _e602 = dot4_(base_3_.y, u_13_);
                    base = as_type<int>(as_type<uint>(_e600) + as_type<uint>(_e602));
                    uint u_14_ = operands_1.inner[14];
                    int _e607 = early;
                    int _e609 = dot4_(early_3_.z, u_14_);
                    early = as_type<int>(as_type<uint>(_e607) + as_type<uint>(_e609));
                    int _e611 = late;
                    int _e613 = dot4_(late_3_.z, u_14_);
                    late = as_type<int>(as_type<uint>(_e611) + as_type<uint>(_e613));
                    int _e615 = rate;
                    int _e617 = dot4_(rate_3_.z, u_14_);
                    rate = as_type<int>(as_type<uint>(_e615) + as_type<uint>(_e617));
                    int _e619 = base;
                    int _e621 = dot4_(base_3_.z, u_14_);
                    base = as_type<int>(as_type<uint>(_e619) + as_type<uint>(_e621));
                    uint u_15_ = operands_1.inner[15];
                    int _e626 = early;
                    int _e628 = dot4_(early_3_.w, u_15_);
                    early = as_type<int>(as_type<uint>(_e626) + as_type<uint>(_e628));
                    int _e630 = late;
                    int _e632 = dot4_(late_3_.w, u_15_);
                    late = as_type<int>(as_type<uint>(_e630) + as_type<uint>(_e632));
                    int _e634 = rate;
                    int _e636 = dot4_(rate_3_.w, u_15_);
                    rate = as_type<int>(as_type<uint>(_e634) + as_type<uint>(_e636));
                    int _e638 = base;
                    int _e640 = dot4_(base_3_.w, u_15_);
                    base = as_type<int>(as_type<uint>(_e638) + as_type<uint>(_e640));
                    int _e643 = early;
                    int _e644 = scaled(_e643, early_scale);
                    int _e645 = curve(0u, _e644, curves, _buffer_sizes);
                    int _e647 = late;
                    int _e648 = scaled(_e647, late_scale);
                    int _e649 = curve(0u, _e648, curves, _buffer_sizes);
                    int _e650 = rate;
                    int _e651 = scaled(_e650, rate_scale);
                    int _e652 = base;
                    int _e653 = scaled(_e652, base_scale);
                    int _e661 = curve(SIGMOID, as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e651) * as_type<uint>(time))) + as_type<uint>(128)) >> 8u) + as_type<uint>(_e653)), curves, _buffer_sizes);
                    hidden.inner[metal::min(unsigned(unit), 31u)] = as_type<int>(as_type<uint>(_e645) + as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e649) - as_type<uint>(_e645))) * as_type<uint>(_e661))) + as_type<uint>(8192)) >> 14u));
                    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
                    if (unit < LOGITS) {
                        uint _e674 = step;
                        uint _e677 = turn.members;
                        int _e684 = logit(member_3, unit, turn, scales, readout, hidden, _buffer_sizes);
                        logits[metal::min(unsigned((((_e674 * _e677) + member_3) * LOGITS) + unit), (_buffer_sizes.size8 - 0 - 4) / 4)] = _e684;
                    }
                    if (unit < STATE_WORDS) {
                        int _e691 = hidden.inner[metal::min(unsigned(unit << 1u), 31u)];
                        uint low = as_type<uint>(_e691) & 65535u;
                        int _e701 = hidden.inner[metal::min(unsigned((unit << 1u) + 1u), 31u)];
                        uint high = as_type<uint>(_e701) << 16u;
                        uint _e707 = step;
                        uint _e709 = words(STATES_BEFORE + _e707, member_3, turn);
                        states[metal::min(unsigned(_e709 + unit), (_buffer_sizes.size7 - 0 - 4) / 4)] = low | high;
                    }
                }
            }
            metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        }
    }
    return;
}

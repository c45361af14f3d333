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
    uint runs;
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
constant uint SIGMOID = 256u;

metal::int4 unpacked(
    uint word
) {
    metal::uint4 high = metal::uint4(word << 24u, word << 16u, word << 8u, word);
    return as_type<metal::int4>(high) >> metal::uint4(24u);
}

int dot4_(
    uint weights,
    uint operands
) {
    metal::int4 _e2 = unpacked(weights);
    metal::int4 _e3 = unpacked(operands);
    metal::int4 products = as_type<metal::int4>(as_type<metal::uint4>(_e2) * as_type<metal::uint4>(_e3));
    return as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(products.x) + as_type<uint>(products.y))) + as_type<uint>(products.z))) + as_type<uint>(products.w));
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

struct main_Input {
};
[[max_total_threads_per_threadgroup(32)]] kernel void main_(
  metal::uint3 group [[threadgroup_position_in_grid]]
, uint unit [[thread_index_in_threadgroup]]
, constant Turn& turn [[user(fake0)]]
, device type_2 const& runs [[user(fake0)]]
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
    uint step = {};
    int early = {};
    int late = {};
    int rate = {};
    int base = {};
    uint member_2 = group.y;
    uint row_1 = (member_2 * 128u) + unit;
    metal::int4 early_scale = scales[metal::min(unsigned(row_1 + 0u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 early_0_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 0u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 early_1_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 0u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 early_2_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 0u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 early_3_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 0u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::int4 late_scale = scales[metal::min(unsigned(row_1 + 32u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 late_0_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 1u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 late_1_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 1u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 late_2_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 1u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 late_3_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 1u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::int4 rate_scale = scales[metal::min(unsigned(row_1 + 64u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 rate_0_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 2u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 rate_1_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 2u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 rate_2_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 2u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 rate_3_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 2u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::int4 base_scale = scales[metal::min(unsigned(row_1 + 96u), (_buffer_sizes.size4 - 0 - 16) / 16)];
    metal::uint4 base_0_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 3u) * 4u) + 0u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 base_1_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 3u) * 4u) + 1u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 base_2_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 3u) * 4u) + 2u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    metal::uint4 base_3_ = weights_1[metal::min(unsigned((((((member_2 * 4u) + 3u) * 4u) + 3u) * UNITS) + unit), (_buffer_sizes.size3 - 0 - 16) / 16)];
    uint _e253 = turn.tile;
    uint first_2 = group.x * _e253;
    uint _e257 = turn.tile;
    uint _e261 = turn.runs;
    uint last = metal::min(first_2 + _e257, _e261);
    index = first_2;
    uint2 loop_bound_1 = uint2(4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (metal::all(loop_bound_1 == uint2(0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e707 = index;
            index = _e707 + 1u;
        }
        loop_init_1 = false;
        uint _e264 = index;
        if (_e264 < last) {
        } else {
            break;
        }
        {
            uint _e267 = index;
            metal::uint2 run = runs[metal::min(unsigned(_e267), (_buffer_sizes.size1 - 0 - 8) / 8)];
            uint _e273 = turn.start;
            uint start = run.x + _e273;
            uint _e278 = turn.start;
            uint until = run.x + metal::min(_e278 + TURN_STEPS, run.y);
            uint _e284 = index;
            uint _e287 = turn.members;
            uint words = ((_e284 * _e287) + member_2) * STATE_WORDS;
            uint pair = states[metal::min(unsigned(words + (unit >> 1u)), (_buffer_sizes.size7 - 0 - 4) / 4)];
            hidden.inner[metal::min(unsigned(unit), 31u)] = as_type<int>(pair << (16u - ((unit & 1u) << 4u))) >> 16u;
            metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
            step = start;
            uint2 loop_bound_2 = uint2(4294967295u);
            bool loop_init_2 = true;
            while(true) {
                if (metal::all(loop_bound_2 == uint2(0u))) { break; }
                loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
                if (!loop_init_2) {
                    uint _e680 = step;
                    step = _e680 + 1u;
                }
                loop_init_2 = false;
                uint _e311 = step;
                if (_e311 < until) {
                } else {
                    break;
                }
                {
                    uint _e313 = step;
                    gather(_e313 * STEP_WORDS, unit, steps, hidden, operands_1, _buffer_sizes);
                    uint _e317 = step;
                    uint _e323 = steps[metal::min(unsigned((_e317 * STEP_WORDS) + FEATURE_WORDS), (_buffer_sizes.size2 - 0 - 4) / 4)];
                    int time = as_type<int>(_e323);
                    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
                    early = early_scale.x;
                    late = late_scale.x;
                    rate = rate_scale.x;
                    base = base_scale.x;
                    uint u_0_ = operands_1.inner[0];
                    int _e336 = early;
                    int _e338 = dot4_(early_0_.x, u_0_);
                    early = as_type<int>(as_type<uint>(_e336) + as_type<uint>(_e338));
                    int _e340 = late;
                    int _e342 = dot4_(late_0_.x, u_0_);
                    late = as_type<int>(as_type<uint>(_e340) + as_type<uint>(_e342));
                    int _e344 = rate;
                    int _e346 = dot4_(rate_0_.x, u_0_);
                    rate = as_type<int>(as_type<uint>(_e344) + as_type<uint>(_e346));
                    int _e348 = base;
                    int _e350 = dot4_(base_0_.x, u_0_);
                    base = as_type<int>(as_type<uint>(_e348) + as_type<uint>(_e350));
                    uint u_1_ = operands_1.inner[1];
                    int _e355 = early;
                    int _e357 = dot4_(early_0_.y, u_1_);
                    early = as_type<int>(as_type<uint>(_e355) + as_type<uint>(_e357));
                    int _e359 = late;
                    int _e361 = dot4_(late_0_.y, u_1_);
                    late = as_type<int>(as_type<uint>(_e359) + as_type<uint>(_e361));
                    int _e363 = rate;
                    int _e365 = dot4_(rate_0_.y, u_1_);
                    rate = as_type<int>(as_type<uint>(_e363) + as_type<uint>(_e365));
                    int _e367 = base;
                    int _e369 = dot4_(base_0_.y, u_1_);
                    base = as_type<int>(as_type<uint>(_e367) + as_type<uint>(_e369));
                    uint u_2_ = operands_1.inner[2];
                    int _e374 = early;
                    int _e376 = dot4_(early_0_.z, u_2_);
                    early = as_type<int>(as_type<uint>(_e374) + as_type<uint>(_e376));
                    int _e378 = late;
                    int _e380 = dot4_(late_0_.z, u_2_);
                    late = as_type<int>(as_type<uint>(_e378) + as_type<uint>(_e380));
                    int _e382 = rate;
                    int _e384 = dot4_(rate_0_.z, u_2_);
                    rate = as_type<int>(as_type<uint>(_e382) + as_type<uint>(_e384));
                    int _e386 = base;
                    int _e388 = dot4_(base_0_.z, u_2_);
                    base = as_type<int>(as_type<uint>(_e386) + as_type<uint>(_e388));
                    uint u_3_ = operands_1.inner[3];
                    int _e393 = early;
                    int _e395 = dot4_(early_0_.w, u_3_);
                    early = as_type<int>(as_type<uint>(_e393) + as_type<uint>(_e395));
                    int _e397 = late;
                    int _e399 = dot4_(late_0_.w, u_3_);
                    late = as_type<int>(as_type<uint>(_e397) + as_type<uint>(_e399));
                    int _e401 = rate;
                    int _e403 = dot4_(rate_0_.w, u_3_);
                    rate = as_type<int>(as_type<uint>(_e401) + as_type<uint>(_e403));
                    int _e405 = base;
                    int _e407 = dot4_(base_0_.w, u_3_);
                    base = as_type<int>(as_type<uint>(_e405) + as_type<uint>(_e407));
                    uint u_4_ = operands_1.inner[4];
                    int _e412 = early;
                    int _e414 = dot4_(early_1_.x, u_4_);
                    early = as_type<int>(as_type<uint>(_e412) + as_type<uint>(_e414));
                    int _e416 = late;
                    int _e418 = dot4_(late_1_.x, u_4_);
                    late = as_type<int>(as_type<uint>(_e416) + as_type<uint>(_e418));
                    int _e420 = rate;
                    int _e422 = dot4_(rate_1_.x, u_4_);
                    rate = as_type<int>(as_type<uint>(_e420) + as_type<uint>(_e422));
                    int _e424 = base;
                    int _e426 = dot4_(base_1_.x, u_4_);
                    base = as_type<int>(as_type<uint>(_e424) + as_type<uint>(_e426));
                    uint u_5_ = operands_1.inner[5];
                    int _e431 = early;
                    int _e433 = dot4_(early_1_.y, u_5_);
                    early = as_type<int>(as_type<uint>(_e431) + as_type<uint>(_e433));
                    int _e435 = late;
                    int _e437 = dot4_(late_1_.y, u_5_);
                    late = as_type<int>(as_type<uint>(_e435) + as_type<uint>(_e437));
                    int _e439 = rate;
                    int _e441 = dot4_(rate_1_.y, u_5_);
                    rate = as_type<int>(as_type<uint>(_e439) + as_type<uint>(_e441));
                    int _e443 = base;
                    int _e445 = dot4_(base_1_.y, u_5_);
                    base = as_type<int>(as_type<uint>(_e443) + as_type<uint>(_e445));
                    uint u_6_ = operands_1.inner[6];
                    int _e450 = early;
                    int _e452 = dot4_(early_1_.z, u_6_);
                    early = as_type<int>(as_type<uint>(_e450) + as_type<uint>(_e452));
                    int _e454 = late;
                    int _e456 = dot4_(late_1_.z, u_6_);
                    late = as_type<int>(as_type<uint>(_e454) + as_type<uint>(_e456));
                    int _e458 = rate;
                    int _e460 = dot4_(rate_1_.z, u_6_);
                    rate = as_type<int>(as_type<uint>(_e458) + as_type<uint>(_e460));
                    int _e462 = base;
                    int _e464 = dot4_(base_1_.z, u_6_);
                    base = as_type<int>(as_type<uint>(_e462) + as_type<uint>(_e464));
                    uint u_7_ = operands_1.inner[7];
                    int _e469 = early;
                    int _e471 = dot4_(early_1_.w, u_7_);
                    early = as_type<int>(as_type<uint>(_e469) + as_type<uint>(_e471));
                    int _e473 = late;
                    int _e475 = dot4_(late_1_.w, u_7_);
                    late = as_type<int>(as_type<uint>(_e473) + as_type<uint>(_e475));
                    int _e477 = rate;
                    int _e479 = dot4_(rate_1_.w, u_7_);
                    rate = as_type<int>(as_type<uint>(_e477) + as_type<uint>(_e479));
                    int _e481 = base;
                    int _e483 = dot4_(base_1_.w, u_7_);
                    base = as_type<int>(as_type<uint>(_e481) + as_type<uint>(_e483));
                    uint u_8_ = operands_1.inner[8];
                    int _e488 = early;
                    int _e490 = dot4_(early_2_.x, u_8_);
                    early = as_type<int>(as_type<uint>(_e488) + as_type<uint>(_e490));
                    int _e492 = late;
                    int _e494 = dot4_(late_2_.x, u_8_);
                    late = as_type<int>(as_type<uint>(_e492) + as_type<uint>(_e494));
                    int _e496 = rate;
                    int _e498 = dot4_(rate_2_.x, u_8_);
                    rate = as_type<int>(as_type<uint>(_e496) + as_type<uint>(_e498));
                    int _e500 = base;
                    int _e502 = dot4_(base_2_.x, u_8_);
                    base = as_type<int>(as_type<uint>(_e500) + as_type<uint>(_e502));
                    uint u_9_ = operands_1.inner[9];
                    int _e507 = early;
                    int _e509 = dot4_(early_2_.y, u_9_);
                    early = as_type<int>(as_type<uint>(_e507) + as_type<uint>(_e509));
                    int _e511 = late;
                    int _e513 = dot4_(late_2_.y, u_9_);
                    late = as_type<int>(as_type<uint>(_e511) + as_type<uint>(_e513));
                    int _e515 = rate;
                    int _e517 = dot4_(rate_2_.y, u_9_);
                    rate = as_type<int>(as_type<uint>(_e515) + as_type<uint>(_e517));
                    int _e519 = base;
                    int _e521 = dot4_(base_2_.y, u_9_);
                    base = as_type<int>(as_type<uint>(_e519) + as_type<uint>(_e521));
                    uint u_10_ = operands_1.inner[10];
                    int _e526 = early;
                    int _e528 = dot4_(early_2_.z, u_10_);
                    early = as_type<int>(as_type<uint>(_e526) + as_type<uint>(_e528));
                    int _e530 = late;
                    int _e532 = dot4_(late_2_.z, u_10_);
                    late = as_type<int>(as_type<uint>(_e530) + as_type<uint>(_e532));
                    int _e534 = rate;
                    int _e536 = dot4_(rate_2_.z, u_10_);
                    rate = as_type<int>(as_type<uint>(_e534) + as_type<uint>(_e536));
                    int _e538 = base;
                    int _e540 = dot4_(base_2_.z, u_10_);
                    base = as_type<int>(as_type<uint>(_e538) + as_type<uint>(_e540));
                    uint u_11_ = operands_1.inner[11];
                    int _e545 = early;
                    int _e547 = dot4_(early_2_.w, u_11_);
                    early = as_type<int>(as_type<uint>(_e545) + as_type<uint>(_e547));
                    int _e549 = late;
                    int _e551 = dot4_(late_2_.w, u_11_);
                    late = as_type<int>(as_type<uint>(_e549) + as_type<uint>(_e551));
                    int _e553 = rate;
                    int _e555 = dot4_(rate_2_.w, u_11_);
                    rate = as_type<int>(as_type<uint>(_e553) + as_type<uint>(_e555));
                    int _e557 = base;
                    int _e559 = dot4_(base_2_.w, u_11_);
                    base = as_type<int>(as_type<uint>(_e557) + as_type<uint>(_e559));
                    uint u_12_ = operands_1.inner[12];
                    int _e564 = early;
                    int _e566 = dot4_(early_3_.x, u_12_);
                    early = as_type<int>(as_type<uint>(_e564) + as_type<uint>(_e566));
                    int _e568 = late;
                    int _e570 = dot4_(late_3_.x, u_12_);
                    late = as_type<int>(as_type<uint>(_e568) + as_type<uint>(_e570));
                    int _e572 = rate;
                    int _e574 = dot4_(rate_3_.x, u_12_);
                    rate = as_type<int>(as_type<uint>(_e572) + as_type<uint>(_e574));
                    int _e576 = base;
                    int _e578 = dot4_(base_3_.x, u_12_);
                    base = as_type<int>(as_type<uint>(_e576) + as_type<uint>(_e578));
                    uint u_13_ = operands_1.inner[13];
                    int _e583 = early;
                    int _e585 = dot4_(early_3_.y, u_13_);
                    early = as_type<int>(as_type<uint>(_e583) + as_type<uint>(_e585));
                    int _e587 = late;
                    int _e589 = dot4_(late_3_.y, u_13_);
                    late = as_type<int>(as_type<uint>(_e587) + as_type<uint>(_e589));
                    int _e591 = rate;
                    int _e593 = dot4_(rate_3_.y, u_13_);
                    rate = as_type<int>(as_type<uint>(_e591) + as_type<uint>(_e593));
                    int _e595 = base;
                    int _e597 = dot4_(base_3_.y, u_13_);
                    base = as_type<int>(as_type<uint>(_e595) + as_type<uint>(_e597));
                    uint u_14_ = operands_1.inner[14];
                    int _e602 = early;
                    int _e604 = dot4_(early_3_.z, u_14_);
                    early = as_type<int>(as_type<uint>(_e602) + as_type<uint>(_e604));
                    int _e606 = late;
                    int _e608 = dot4_(late_3_.z, u_14_);
                    late = as_type<int>(as_type<uint>(_e606) + as_type<uint>(_e608));
                    int _e610 = rate;
                    int _e612 = dot4_(rate_3_.z, u_14_);
                    rate = as_type<int>(as_type<uint>(_e610) + as_type<uint>(_e612));
                    int _e614 = base;
                    int _e616 = dot4_(base_3_.z, u_14_);
                    base = as_type<int>(as_type<uint>(_e614) + as_type<uint>(_e616));
                    uint u_15_ = operands_1.inner[15];
                    int _e621 = early;
                    int _e623 = dot4_(early_3_.w, u_15_);
                    early = as_type<int>(as_type<uint>(_e621) + as_type<uint>(_e623));
                    int _e625 = late;
                    int _e627 = dot4_(late_3_.w, u_15_);
                    late = as_type<int>(as_type<uint>(_e625) + as_type<uint>(_e627));
                    int _e629 = rate;
                    int _e631 = dot4_(rate_3_.w, u_15_);
                    rate = as_type<int>(as_type<uint>(_e629) + as_type<uint>(_e631));
                    int _e633 = base;
                    int _e635 = dot4_(base_3_.w, u_15_);
                    base = as_type<int>(as_type<uint>(_e633) + as_type<uint>(_e635));
                    int _e638 = early;
                    int _e639 = scaled(_e638, early_scale);
                    int _e640 = curve(0u, _e639, curves, _buffer_sizes);
                    int _e642 = late;
                    int _e643 = scaled(_e642, late_scale);
                    int _e644 = curve(0u, _e643, curves, _buffer_sizes);
                    int _e645 = rate;
                    int _e646 = scaled(_e645, rate_scale);
                    int _e647 = base;
                    int _e648 = scaled(_e647, base_scale);
                    int _e656 = curve(SIGMOID, as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e646) * as_type<uint>(time))) + as_type<uint>(128)) >> 8u) + as_type<uint>(_e648)), curves, _buffer_sizes);
                    hidden.inner[metal::min(unsigned(unit), 31u)] = as_type<int>(as_type<uint>(_e640) + as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(as_type<int>(as_type<uint>(_e644) - as_type<uint>(_e640))) * as_type<uint>(_e656))) + as_type<uint>(8192)) >> 14u));
                    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
                    if (unit < LOGITS) {
                        uint _e669 = step;
                        uint _e672 = turn.members;
                        int _e679 = logit(member_2, unit, turn, scales, readout, hidden, _buffer_sizes);
                        logits[metal::min(unsigned((((_e669 * _e672) + member_2) * LOGITS) + unit), (_buffer_sizes.size8 - 0 - 4) / 4)] = _e679;
                    }
                }
            }
            if (unit < STATE_WORDS) {
                int _e689 = hidden.inner[metal::min(unsigned(unit << 1u), 31u)];
                uint low = as_type<uint>(_e689) & 65535u;
                int _e702 = hidden.inner[metal::min(unsigned((unit << 1u) + 1u), 31u)];
                states[metal::min(unsigned(words + unit), (_buffer_sizes.size7 - 0 - 4) / 4)] = low | (as_type<uint>(_e702) << 16u);
            }
            metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        }
    }
    return;
}

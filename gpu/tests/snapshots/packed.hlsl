struct Turn {
    uint start;
    uint tile;
    uint pieces;
    uint members;
};

static const uint UNITS = 32u;
static const uint FEATURE_WORDS = 8u;
static const uint UNIT_WORDS = 8u;
static const uint STATE_WORDS = 16u;
static const uint STEP_WORDS = 9u;
static const uint LOGITS = 3u;
static const uint TURN_STEPS = 16u;
static const uint STATES_BEFORE = 4096u;
static const uint SIGMOID = 256u;

cbuffer turn : register(b0) { Turn turn; }
ByteAddressBuffer pieces : register(t1);
ByteAddressBuffer steps : register(t2);
ByteAddressBuffer weights_1 : register(t3);
ByteAddressBuffer scales : register(t4);
ByteAddressBuffer curves : register(t5);
ByteAddressBuffer readout : register(t6);
RWByteAddressBuffer states : register(u7);
RWByteAddressBuffer logits : register(u8);
groupshared int hidden[32];
groupshared uint operands_1[16];

int dot4_(uint weights, uint operands)
{
    return dot4add_i8packed(weights, operands, 0);
}

int scaled(int accumulator, int4 scale)
{
    int shifted = (asint(asuint(asint(asuint(accumulator) * asuint(scale.y))) + asuint(scale.z)) >> asuint(scale.w));
    return clamp(shifted, int(-32768), int(32767));
}

int curve(uint first, int y)
{
    int place = asint(asuint(clamp(y, int(-16384), int(16383))) + asuint(int(16384)));
    int2 ends = asint(curves.Load2((first + asuint((place >> 7u)))*8));
    return asint(asuint(ends.x) + asuint((asint(asuint(asint(asuint(ends.y) * asuint((place & int(127))))) + asuint(int(64))) >> 7u)));
}

uint operand(uint unit_1)
{
    int _e3 = hidden[min(uint(unit_1), 31u)];
    return (asuint(clamp((asint(asuint(_e3) + asuint(int(64))) >> 7u), int(-127), int(127))) & 255u);
}

void gather(uint first_1, uint unit_2)
{
    if ((unit_2 < FEATURE_WORDS)) {
        uint _e9 = asuint(steps.Load((first_1 + unit_2)*4));
        operands_1[min(uint(unit_2), 15u)] = _e9;
    }
    if ((unit_2 < UNIT_WORDS)) {
        uint at = (unit_2 << 2u);
        const uint _e18 = operand(at);
        const uint _e21 = operand((at + 1u));
        const uint _e27 = operand((at + 2u));
        const uint _e33 = operand((at + 3u));
        operands_1[min(uint((FEATURE_WORDS + unit_2)), 15u)] = (((_e18 | (_e21 << 8u)) | (_e27 << 16u)) | (_e33 << 24u));
        return;
    } else {
        return;
    }
}

int logit(uint member, uint index_1)
{
    int accumulator_1 = (int)0;
    uint unit_3 = 0u;

    uint row = ((member * LOGITS) + index_1);
    uint _e8 = turn.members;
    int4 scale_1 = asint(scales.Load4(((_e8 * 128u) + row)*16));
    accumulator_1 = scale_1.x;
    uint2 loop_bound = uint2(4294967295u, 4294967295u);
    bool loop_init = true;
    while(true) {
        if (all(loop_bound == uint2(0u, 0u))) { break; }
        loop_bound -= uint2(loop_bound.y == 0u, 1u);
        if (!loop_init) {
            uint _e35 = unit_3;
            unit_3 = (_e35 + 1u);
        }
        loop_init = false;
        uint _e18 = unit_3;
        if ((_e18 < UNITS)) {
        } else {
            break;
        }
        {
            int _e21 = accumulator_1;
            uint _e25 = unit_3;
            int _e28 = asint(readout.Load(((row * UNITS) + _e25)*4));
            uint _e30 = unit_3;
            int _e32 = hidden[min(uint(_e30), 31u)];
            accumulator_1 = asint(asuint(_e21) + asuint(asint(asuint(_e28) * asuint(_e32))));
        }
    }
    int _e38 = accumulator_1;
    const int _e43 = scaled((asint(asuint(_e38) + asuint(int(64))) >> 7u), scale_1);
    return _e43;
}

uint words(uint state, uint member_1)
{
    uint _e4 = turn.members;
    return (((state * _e4) + member_1) * STATE_WORDS);
}

[numthreads(32, 1, 1)]
void main(uint3 group : SV_GroupID, uint unit : SV_GroupIndex)
{
    if (unit == 0) {
        hidden = (int[32])0;
        operands_1 = (uint[16])0;
    }
    GroupMemoryBarrierWithGroupSync();
    uint index = (uint)0;
    uint before = (uint)0;
    uint step_ = (uint)0;
    int early = (int)0;
    int late = (int)0;
    int rate = (int)0;
    int base = (int)0;

    uint member_2 = group.y;
    uint row_1 = ((member_2 * 128u) + unit);
    int4 early_scale = asint(scales.Load4((row_1 + 0u)*16));
    uint4 early_0_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 0u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 early_1_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 0u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 early_2_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 0u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 early_3_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 0u) * 4u) + 3u) * UNITS) + unit)*16));
    int4 late_scale = asint(scales.Load4((row_1 + 32u)*16));
    uint4 late_0_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 1u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 late_1_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 1u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 late_2_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 1u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 late_3_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 1u) * 4u) + 3u) * UNITS) + unit)*16));
    int4 rate_scale = asint(scales.Load4((row_1 + 64u)*16));
    uint4 rate_0_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 2u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 rate_1_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 2u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 rate_2_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 2u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 rate_3_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 2u) * 4u) + 3u) * UNITS) + unit)*16));
    int4 base_scale = asint(scales.Load4((row_1 + 96u)*16));
    uint4 base_0_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 3u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 base_1_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 3u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 base_2_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 3u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 base_3_ = asuint(weights_1.Load4(((((((member_2 * 4u) + 3u) * 4u) + 3u) * UNITS) + unit)*16));
    uint _e253 = turn.tile;
    uint first_2 = (group.x * _e253);
    uint _e257 = turn.tile;
    uint _e261 = turn.pieces;
    uint last = min((first_2 + _e257), _e261);
    index = first_2;
    uint2 loop_bound_1 = uint2(4294967295u, 4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (all(loop_bound_1 == uint2(0u, 0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e716 = index;
            index = (_e716 + 1u);
        }
        loop_init_1 = false;
        uint _e264 = index;
        if ((_e264 < last)) {
        } else {
            break;
        }
        {
            uint _e267 = index;
            uint2 piece = asuint(pieces.Load2(_e267*8));
            uint _e273 = turn.start;
            uint start = (piece.x + _e273);
            uint _e278 = turn.start;
            uint until = (piece.x + min((_e278 + TURN_STEPS), piece.y));
            uint _e284 = index;
            before = _e284;
            uint _e289 = turn.start;
            if ((0u < _e289)) {
                before = ((STATES_BEFORE + start) - 1u);
            }
            uint _e296 = before;
            const uint _e297 = words(_e296, member_2);
            uint pair = asuint(states.Load((_e297 + (unit >> 1u))*4));
            hidden[min(uint(unit), 31u)] = (asint((pair << (16u - ((unit & 1u) << 4u)))) >> 16u);
            GroupMemoryBarrierWithGroupSync();
            step_ = start;
            uint2 loop_bound_2 = uint2(4294967295u, 4294967295u);
            bool loop_init_2 = true;
            while(true) {
                if (all(loop_bound_2 == uint2(0u, 0u))) { break; }
                loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
                if (!loop_init_2) {
                    uint _e713 = step_;
                    step_ = (_e713 + 1u);
                }
                loop_init_2 = false;
                uint _e316 = step_;
                if ((_e316 < until)) {
                } else {
                    break;
                }
                {
                    uint _e318 = step_;
                    gather((_e318 * STEP_WORDS), unit);
                    uint _e322 = step_;
                    uint _e328 = asuint(steps.Load(((_e322 * STEP_WORDS) + FEATURE_WORDS)*4));
                    int time = asint(_e328);
                    GroupMemoryBarrierWithGroupSync();
                    early = early_scale.x;
                    late = late_scale.x;
                    rate = rate_scale.x;
                    base = base_scale.x;
                    uint u_0_ = operands_1[0];
                    int _e341 = early;
                    const int _e343 = dot4_(early_0_.x, u_0_);
                    early = asint(asuint(_e341) + asuint(_e343));
                    int _e345 = late;
                    const int _e347 = dot4_(late_0_.x, u_0_);
                    late = asint(asuint(_e345) + asuint(_e347));
                    int _e349 = rate;
                    const int _e351 = dot4_(rate_0_.x, u_0_);
                    rate = asint(asuint(_e349) + asuint(_e351));
                    int _e353 = base;
                    const int _e355 = dot4_(base_0_.x, u_0_);
                    base = asint(asuint(_e353) + asuint(_e355));
                    uint u_1_ = operands_1[1];
                    int _e360 = early;
                    const int _e362 = dot4_(early_0_.y, u_1_);
                    early = asint(asuint(_e360) + asuint(_e362));
                    int _e364 = late;
                    const int _e366 = dot4_(late_0_.y, u_1_);
                    late = asint(asuint(_e364) + asuint(_e366));
                    int _e368 = rate;
                    const int _e370 = dot4_(rate_0_.y, u_1_);
                    rate = asint(asuint(_e368) + asuint(_e370));
                    int _e372 = base;
                    const int _e374 = dot4_(base_0_.y, u_1_);
                    base = asint(asuint(_e372) + asuint(_e374));
                    uint u_2_ = operands_1[2];
                    int _e379 = early;
                    const int _e381 = dot4_(early_0_.z, u_2_);
                    early = asint(asuint(_e379) + asuint(_e381));
                    int _e383 = late;
                    const int _e385 = dot4_(late_0_.z, u_2_);
                    late = asint(asuint(_e383) + asuint(_e385));
                    int _e387 = rate;
                    const int _e389 = dot4_(rate_0_.z, u_2_);
                    rate = asint(asuint(_e387) + asuint(_e389));
                    int _e391 = base;
                    const int _e393 = dot4_(base_0_.z, u_2_);
                    base = asint(asuint(_e391) + asuint(_e393));
                    uint u_3_ = operands_1[3];
                    int _e398 = early;
                    const int _e400 = dot4_(early_0_.w, u_3_);
                    early = asint(asuint(_e398) + asuint(_e400));
                    int _e402 = late;
                    const int _e404 = dot4_(late_0_.w, u_3_);
                    late = asint(asuint(_e402) + asuint(_e404));
                    int _e406 = rate;
                    const int _e408 = dot4_(rate_0_.w, u_3_);
                    rate = asint(asuint(_e406) + asuint(_e408));
                    int _e410 = base;
                    const int _e412 = dot4_(base_0_.w, u_3_);
                    base = asint(asuint(_e410) + asuint(_e412));
                    uint u_4_ = operands_1[4];
                    int _e417 = early;
                    const int _e419 = dot4_(early_1_.x, u_4_);
                    early = asint(asuint(_e417) + asuint(_e419));
                    int _e421 = late;
                    const int _e423 = dot4_(late_1_.x, u_4_);
                    late = asint(asuint(_e421) + asuint(_e423));
                    int _e425 = rate;
                    const int _e427 = dot4_(rate_1_.x, u_4_);
                    rate = asint(asuint(_e425) + asuint(_e427));
                    int _e429 = base;
                    const int _e431 = dot4_(base_1_.x, u_4_);
                    base = asint(asuint(_e429) + asuint(_e431));
                    uint u_5_ = operands_1[5];
                    int _e436 = early;
                    const int _e438 = dot4_(early_1_.y, u_5_);
                    early = asint(asuint(_e436) + asuint(_e438));
                    int _e440 = late;
                    const int _e442 = dot4_(late_1_.y, u_5_);
                    late = asint(asuint(_e440) + asuint(_e442));
                    int _e444 = rate;
                    const int _e446 = dot4_(rate_1_.y, u_5_);
                    rate = asint(asuint(_e444) + asuint(_e446));
                    int _e448 = base;
                    const int _e450 = dot4_(base_1_.y, u_5_);
                    base = asint(asuint(_e448) + asuint(_e450));
                    uint u_6_ = operands_1[6];
                    int _e455 = early;
                    const int _e457 = dot4_(early_1_.z, u_6_);
                    early = asint(asuint(_e455) + asuint(_e457));
                    int _e459 = late;
                    const int _e461 = dot4_(late_1_.z, u_6_);
                    late = asint(asuint(_e459) + asuint(_e461));
                    int _e463 = rate;
                    const int _e465 = dot4_(rate_1_.z, u_6_);
                    rate = asint(asuint(_e463) + asuint(_e465));
                    int _e467 = base;
                    const int _e469 = dot4_(base_1_.z, u_6_);
                    base = asint(asuint(_e467) + asuint(_e469));
                    uint u_7_ = operands_1[7];
                    int _e474 = early;
                    const int _e476 = dot4_(early_1_.w, u_7_);
                    early = asint(asuint(_e474) + asuint(_e476));
                    int _e478 = late;
                    const int _e480 = dot4_(late_1_.w, u_7_);
                    late = asint(asuint(_e478) + asuint(_e480));
                    int _e482 = rate;
                    const int _e484 = dot4_(rate_1_.w, u_7_);
                    rate = asint(asuint(_e482) + asuint(_e484));
                    int _e486 = base;
                    const int _e488 = dot4_(base_1_.w, u_7_);
                    base = asint(asuint(_e486) + asuint(_e488));
                    uint u_8_ = operands_1[8];
                    int _e493 = early;
                    const int _e495 = dot4_(early_2_.x, u_8_);
                    early = asint(asuint(_e493) + asuint(_e495));
                    int _e497 = late;
                    const int _e499 = dot4_(late_2_.x, u_8_);
                    late = asint(asuint(_e497) + asuint(_e499));
                    int _e501 = rate;
                    const int _e503 = dot4_(rate_2_.x, u_8_);
                    rate = asint(asuint(_e501) + asuint(_e503));
                    int _e505 = base;
                    const int _e507 = dot4_(base_2_.x, u_8_);
                    base = asint(asuint(_e505) + asuint(_e507));
                    uint u_9_ = operands_1[9];
                    int _e512 = early;
                    const int _e514 = dot4_(early_2_.y, u_9_);
                    early = asint(asuint(_e512) + asuint(_e514));
                    int _e516 = late;
                    const int _e518 = dot4_(late_2_.y, u_9_);
                    late = asint(asuint(_e516) + asuint(_e518));
                    int _e520 = rate;
                    const int _e522 = dot4_(rate_2_.y, u_9_);
                    rate = asint(asuint(_e520) + asuint(_e522));
                    int _e524 = base;
                    const int _e526 = dot4_(base_2_.y, u_9_);
                    base = asint(asuint(_e524) + asuint(_e526));
                    uint u_10_ = operands_1[10];
                    int _e531 = early;
                    const int _e533 = dot4_(early_2_.z, u_10_);
                    early = asint(asuint(_e531) + asuint(_e533));
                    int _e535 = late;
                    const int _e537 = dot4_(late_2_.z, u_10_);
                    late = asint(asuint(_e535) + asuint(_e537));
                    int _e539 = rate;
                    const int _e541 = dot4_(rate_2_.z, u_10_);
                    rate = asint(asuint(_e539) + asuint(_e541));
                    int _e543 = base;
                    const int _e545 = dot4_(base_2_.z, u_10_);
                    base = asint(asuint(_e543) + asuint(_e545));
                    uint u_11_ = operands_1[11];
                    int _e550 = early;
                    const int _e552 = dot4_(early_2_.w, u_11_);
                    early = asint(asuint(_e550) + asuint(_e552));
                    int _e554 = late;
                    const int _e556 = dot4_(late_2_.w, u_11_);
                    late = asint(asuint(_e554) + asuint(_e556));
                    int _e558 = rate;
                    const int _e560 = dot4_(rate_2_.w, u_11_);
                    rate = asint(asuint(_e558) + asuint(_e560));
                    int _e562 = base;
                    const int _e564 = dot4_(base_2_.w, u_11_);
                    base = asint(asuint(_e562) + asuint(_e564));
                    uint u_12_ = operands_1[12];
                    int _e569 = early;
                    const int _e571 = dot4_(early_3_.x, u_12_);
                    early = asint(asuint(_e569) + asuint(_e571));
                    int _e573 = late;
                    const int _e575 = dot4_(late_3_.x, u_12_);
                    late = asint(asuint(_e573) + asuint(_e575));
                    int _e577 = rate;
                    const int _e579 = dot4_(rate_3_.x, u_12_);
                    rate = asint(asuint(_e577) + asuint(_e579));
                    int _e581 = base;
                    const int _e583 = dot4_(base_3_.x, u_12_);
                    base = asint(asuint(_e581) + asuint(_e583));
                    uint u_13_ = operands_1[13];
                    int _e588 = early;
                    const int _e590 = dot4_(early_3_.y, u_13_);
                    early = asint(asuint(_e588) + asuint(_e590));
                    int _e592 = late;
                    const int _e594 = dot4_(late_3_.y, u_13_);
                    late = asint(asuint(_e592) + asuint(_e594));
                    int _e596 = rate;
                    const int _e598 = dot4_(rate_3_.y, u_13_);
                    rate = asint(asuint(_e596) + asuint(_e598));
                    int _e600 = base;
                    const int _e602 = dot4_(base_3_.y, u_13_);
                    base = asint(asuint(_e600) + asuint(_e602));
                    uint u_14_ = operands_1[14];
                    int _e607 = early;
                    const int _e609 = dot4_(early_3_.z, u_14_);
                    early = asint(asuint(_e607) + asuint(_e609));
                    int _e611 = late;
                    const int _e613 = dot4_(late_3_.z, u_14_);
                    late = asint(asuint(_e611) + asuint(_e613));
                    int _e615 = rate;
                    const int _e617 = dot4_(rate_3_.z, u_14_);
                    rate = asint(asuint(_e615) + asuint(_e617));
                    int _e619 = base;
                    const int _e621 = dot4_(base_3_.z, u_14_);
                    base = asint(asuint(_e619) + asuint(_e621));
                    uint u_15_ = operands_1[15];
                    int _e626 = early;
                    const int _e628 = dot4_(early_3_.w, u_15_);
                    early = asint(asuint(_e626) + asuint(_e628));
                    int _e630 = late;
                    const int _e632 = dot4_(late_3_.w, u_15_);
                    late = asint(asuint(_e630) + asuint(_e632));
                    int _e634 = rate;
                    const int _e636 = dot4_(rate_3_.w, u_15_);
                    rate = asint(asuint(_e634) + asuint(_e636));
                    int _e638 = base;
                    const int _e640 = dot4_(base_3_.w, u_15_);
                    base = asint(asuint(_e638) + asuint(_e640));
                    int _e643 = early;
                    const int _e644 = scaled(_e643, early_scale);
                    const int _e645 = curve(0u, _e644);
                    int _e647 = late;
                    const int _e648 = scaled(_e647, late_scale);
                    const int _e649 = curve(0u, _e648);
                    int _e650 = rate;
                    const int _e651 = scaled(_e650, rate_scale);
                    int _e652 = base;
                    const int _e653 = scaled(_e652, base_scale);
                    const int _e661 = curve(SIGMOID, asint(asuint((asint(asuint(asint(asuint(_e651) * asuint(time))) + asuint(int(128))) >> 8u)) + asuint(_e653)));
                    hidden[min(uint(unit), 31u)] = asint(asuint(_e645) + asuint((asint(asuint(asint(asuint(asint(asuint(_e649) - asuint(_e645))) * asuint(_e661))) + asuint(int(8192))) >> 14u)));
                    GroupMemoryBarrierWithGroupSync();
                    if ((unit < LOGITS)) {
                        uint _e674 = step_;
                        uint _e677 = turn.members;
                        const int _e684 = logit(member_2, unit);
                        logits.Store(((((_e674 * _e677) + member_2) * LOGITS) + unit)*4, asuint(_e684));
                    }
                    if ((unit < STATE_WORDS)) {
                        int _e691 = hidden[min(uint((unit << 1u)), 31u)];
                        uint low = (asuint(_e691) & 65535u);
                        int _e701 = hidden[min(uint(((unit << 1u) + 1u)), 31u)];
                        uint high = (asuint(_e701) << 16u);
                        uint _e707 = step_;
                        const uint _e709 = words((STATES_BEFORE + _e707), member_2);
                        states.Store((_e709 + unit)*4, asuint((low | high)));
                    }
                }
            }
            GroupMemoryBarrierWithGroupSync();
        }
    }
    return;
}

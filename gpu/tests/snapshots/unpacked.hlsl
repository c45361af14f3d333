struct Turn {
    uint start;
    uint tile;
    uint runs;
    uint members;
};

static const uint UNITS = 32u;
static const uint FEATURE_WORDS = 8u;
static const uint UNIT_WORDS = 8u;
static const uint STATE_WORDS = 16u;
static const uint STEP_WORDS = 9u;
static const uint LOGITS = 3u;
static const uint TURN_STEPS = 16u;
static const uint SIGMOID = 256u;

cbuffer turn : register(b0) { Turn turn; }
ByteAddressBuffer runs : register(t1);
ByteAddressBuffer steps : register(t2);
ByteAddressBuffer weights_1 : register(t3);
ByteAddressBuffer scales : register(t4);
ByteAddressBuffer curves : register(t5);
ByteAddressBuffer readout : register(t6);
RWByteAddressBuffer states : register(u7);
RWByteAddressBuffer logits : register(u8);
groupshared int hidden[32];
groupshared uint operands_1[16];

int4 unpacked(uint word)
{
    uint4 high = uint4((word << 24u), (word << 16u), (word << 8u), word);
    return (asint(high) >> (24u).xxxx);
}

int dot4_(uint weights, uint operands)
{
    const int4 _e2 = unpacked(weights);
    const int4 _e3 = unpacked(operands);
    int4 products = asint(asuint(_e2) * asuint(_e3));
    return asint(asuint(asint(asuint(asint(asuint(products.x) + asuint(products.y))) + asuint(products.z))) + asuint(products.w));
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

[numthreads(32, 1, 1)]
void main(uint3 group : SV_GroupID, uint unit : SV_GroupIndex)
{
    if (unit == 0) {
        hidden = (int[32])0;
        operands_1 = (uint[16])0;
    }
    GroupMemoryBarrierWithGroupSync();
    uint index = (uint)0;
    uint step_ = (uint)0;
    int early = (int)0;
    int late = (int)0;
    int rate = (int)0;
    int base = (int)0;

    uint member_1 = group.y;
    uint row_1 = ((member_1 * 128u) + unit);
    int4 early_scale = asint(scales.Load4((row_1 + 0u)*16));
    uint4 early_0_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 0u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 early_1_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 0u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 early_2_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 0u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 early_3_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 0u) * 4u) + 3u) * UNITS) + unit)*16));
    int4 late_scale = asint(scales.Load4((row_1 + 32u)*16));
    uint4 late_0_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 1u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 late_1_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 1u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 late_2_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 1u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 late_3_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 1u) * 4u) + 3u) * UNITS) + unit)*16));
    int4 rate_scale = asint(scales.Load4((row_1 + 64u)*16));
    uint4 rate_0_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 2u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 rate_1_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 2u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 rate_2_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 2u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 rate_3_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 2u) * 4u) + 3u) * UNITS) + unit)*16));
    int4 base_scale = asint(scales.Load4((row_1 + 96u)*16));
    uint4 base_0_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 3u) * 4u) + 0u) * UNITS) + unit)*16));
    uint4 base_1_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 3u) * 4u) + 1u) * UNITS) + unit)*16));
    uint4 base_2_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 3u) * 4u) + 2u) * UNITS) + unit)*16));
    uint4 base_3_ = asuint(weights_1.Load4(((((((member_1 * 4u) + 3u) * 4u) + 3u) * UNITS) + unit)*16));
    uint _e253 = turn.tile;
    uint first_2 = (group.x * _e253);
    uint _e257 = turn.tile;
    uint _e261 = turn.runs;
    uint last = min((first_2 + _e257), _e261);
    index = first_2;
    uint2 loop_bound_1 = uint2(4294967295u, 4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (all(loop_bound_1 == uint2(0u, 0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e707 = index;
            index = (_e707 + 1u);
        }
        loop_init_1 = false;
        uint _e264 = index;
        if ((_e264 < last)) {
        } else {
            break;
        }
        {
            uint _e267 = index;
            uint2 run = asuint(runs.Load2(_e267*8));
            uint _e273 = turn.start;
            uint start = (run.x + _e273);
            uint _e278 = turn.start;
            uint until = (run.x + min((_e278 + TURN_STEPS), run.y));
            uint _e284 = index;
            uint _e287 = turn.members;
            uint words = (((_e284 * _e287) + member_1) * STATE_WORDS);
            uint pair = asuint(states.Load((words + (unit >> 1u))*4));
            hidden[min(uint(unit), 31u)] = (asint((pair << (16u - ((unit & 1u) << 4u)))) >> 16u);
            GroupMemoryBarrierWithGroupSync();
            step_ = start;
            uint2 loop_bound_2 = uint2(4294967295u, 4294967295u);
            bool loop_init_2 = true;
            while(true) {
                if (all(loop_bound_2 == uint2(0u, 0u))) { break; }
                loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
                if (!loop_init_2) {
                    uint _e680 = step_;
                    step_ = (_e680 + 1u);
                }
                loop_init_2 = false;
                uint _e311 = step_;
                if ((_e311 < until)) {
                } else {
                    break;
                }
                {
                    uint _e313 = step_;
                    gather((_e313 * STEP_WORDS), unit);
                    uint _e317 = step_;
                    uint _e323 = asuint(steps.Load(((_e317 * STEP_WORDS) + FEATURE_WORDS)*4));
                    int time = asint(_e323);
                    GroupMemoryBarrierWithGroupSync();
                    early = early_scale.x;
                    late = late_scale.x;
                    rate = rate_scale.x;
                    base = base_scale.x;
                    uint u_0_ = operands_1[0];
                    int _e336 = early;
                    const int _e338 = dot4_(early_0_.x, u_0_);
                    early = asint(asuint(_e336) + asuint(_e338));
                    int _e340 = late;
                    const int _e342 = dot4_(late_0_.x, u_0_);
                    late = asint(asuint(_e340) + asuint(_e342));
                    int _e344 = rate;
                    const int _e346 = dot4_(rate_0_.x, u_0_);
                    rate = asint(asuint(_e344) + asuint(_e346));
                    int _e348 = base;
                    const int _e350 = dot4_(base_0_.x, u_0_);
                    base = asint(asuint(_e348) + asuint(_e350));
                    uint u_1_ = operands_1[1];
                    int _e355 = early;
                    const int _e357 = dot4_(early_0_.y, u_1_);
                    early = asint(asuint(_e355) + asuint(_e357));
                    int _e359 = late;
                    const int _e361 = dot4_(late_0_.y, u_1_);
                    late = asint(asuint(_e359) + asuint(_e361));
                    int _e363 = rate;
                    const int _e365 = dot4_(rate_0_.y, u_1_);
                    rate = asint(asuint(_e363) + asuint(_e365));
                    int _e367 = base;
                    const int _e369 = dot4_(base_0_.y, u_1_);
                    base = asint(asuint(_e367) + asuint(_e369));
                    uint u_2_ = operands_1[2];
                    int _e374 = early;
                    const int _e376 = dot4_(early_0_.z, u_2_);
                    early = asint(asuint(_e374) + asuint(_e376));
                    int _e378 = late;
                    const int _e380 = dot4_(late_0_.z, u_2_);
                    late = asint(asuint(_e378) + asuint(_e380));
                    int _e382 = rate;
                    const int _e384 = dot4_(rate_0_.z, u_2_);
                    rate = asint(asuint(_e382) + asuint(_e384));
                    int _e386 = base;
                    const int _e388 = dot4_(base_0_.z, u_2_);
                    base = asint(asuint(_e386) + asuint(_e388));
                    uint u_3_ = operands_1[3];
                    int _e393 = early;
                    const int _e395 = dot4_(early_0_.w, u_3_);
                    early = asint(asuint(_e393) + asuint(_e395));
                    int _e397 = late;
                    const int _e399 = dot4_(late_0_.w, u_3_);
                    late = asint(asuint(_e397) + asuint(_e399));
                    int _e401 = rate;
                    const int _e403 = dot4_(rate_0_.w, u_3_);
                    rate = asint(asuint(_e401) + asuint(_e403));
                    int _e405 = base;
                    const int _e407 = dot4_(base_0_.w, u_3_);
                    base = asint(asuint(_e405) + asuint(_e407));
                    uint u_4_ = operands_1[4];
                    int _e412 = early;
                    const int _e414 = dot4_(early_1_.x, u_4_);
                    early = asint(asuint(_e412) + asuint(_e414));
                    int _e416 = late;
                    const int _e418 = dot4_(late_1_.x, u_4_);
                    late = asint(asuint(_e416) + asuint(_e418));
                    int _e420 = rate;
                    const int _e422 = dot4_(rate_1_.x, u_4_);
                    rate = asint(asuint(_e420) + asuint(_e422));
                    int _e424 = base;
                    const int _e426 = dot4_(base_1_.x, u_4_);
                    base = asint(asuint(_e424) + asuint(_e426));
                    uint u_5_ = operands_1[5];
                    int _e431 = early;
                    const int _e433 = dot4_(early_1_.y, u_5_);
                    early = asint(asuint(_e431) + asuint(_e433));
                    int _e435 = late;
                    const int _e437 = dot4_(late_1_.y, u_5_);
                    late = asint(asuint(_e435) + asuint(_e437));
                    int _e439 = rate;
                    const int _e441 = dot4_(rate_1_.y, u_5_);
                    rate = asint(asuint(_e439) + asuint(_e441));
                    int _e443 = base;
                    const int _e445 = dot4_(base_1_.y, u_5_);
                    base = asint(asuint(_e443) + asuint(_e445));
                    uint u_6_ = operands_1[6];
                    int _e450 = early;
                    const int _e452 = dot4_(early_1_.z, u_6_);
                    early = asint(asuint(_e450) + asuint(_e452));
                    int _e454 = late;
                    const int _e456 = dot4_(late_1_.z, u_6_);
                    late = asint(asuint(_e454) + asuint(_e456));
                    int _e458 = rate;
                    const int _e460 = dot4_(rate_1_.z, u_6_);
                    rate = asint(asuint(_e458) + asuint(_e460));
                    int _e462 = base;
                    const int _e464 = dot4_(base_1_.z, u_6_);
                    base = asint(asuint(_e462) + asuint(_e464));
                    uint u_7_ = operands_1[7];
                    int _e469 = early;
                    const int _e471 = dot4_(early_1_.w, u_7_);
                    early = asint(asuint(_e469) + asuint(_e471));
                    int _e473 = late;
                    const int _e475 = dot4_(late_1_.w, u_7_);
                    late = asint(asuint(_e473) + asuint(_e475));
                    int _e477 = rate;
                    const int _e479 = dot4_(rate_1_.w, u_7_);
                    rate = asint(asuint(_e477) + asuint(_e479));
                    int _e481 = base;
                    const int _e483 = dot4_(base_1_.w, u_7_);
                    base = asint(asuint(_e481) + asuint(_e483));
                    uint u_8_ = operands_1[8];
                    int _e488 = early;
                    const int _e490 = dot4_(early_2_.x, u_8_);
                    early = asint(asuint(_e488) + asuint(_e490));
                    int _e492 = late;
                    const int _e494 = dot4_(late_2_.x, u_8_);
                    late = asint(asuint(_e492) + asuint(_e494));
                    int _e496 = rate;
                    const int _e498 = dot4_(rate_2_.x, u_8_);
                    rate = asint(asuint(_e496) + asuint(_e498));
                    int _e500 = base;
                    const int _e502 = dot4_(base_2_.x, u_8_);
                    base = asint(asuint(_e500) + asuint(_e502));
                    uint u_9_ = operands_1[9];
                    int _e507 = early;
                    const int _e509 = dot4_(early_2_.y, u_9_);
                    early = asint(asuint(_e507) + asuint(_e509));
                    int _e511 = late;
                    const int _e513 = dot4_(late_2_.y, u_9_);
                    late = asint(asuint(_e511) + asuint(_e513));
                    int _e515 = rate;
                    const int _e517 = dot4_(rate_2_.y, u_9_);
                    rate = asint(asuint(_e515) + asuint(_e517));
                    int _e519 = base;
                    const int _e521 = dot4_(base_2_.y, u_9_);
                    base = asint(asuint(_e519) + asuint(_e521));
                    uint u_10_ = operands_1[10];
                    int _e526 = early;
                    const int _e528 = dot4_(early_2_.z, u_10_);
                    early = asint(asuint(_e526) + asuint(_e528));
                    int _e530 = late;
                    const int _e532 = dot4_(late_2_.z, u_10_);
                    late = asint(asuint(_e530) + asuint(_e532));
                    int _e534 = rate;
                    const int _e536 = dot4_(rate_2_.z, u_10_);
                    rate = asint(asuint(_e534) + asuint(_e536));
                    int _e538 = base;
                    const int _e540 = dot4_(base_2_.z, u_10_);
                    base = asint(asuint(_e538) + asuint(_e540));
                    uint u_11_ = operands_1[11];
                    int _e545 = early;
                    const int _e547 = dot4_(early_2_.w, u_11_);
                    early = asint(asuint(_e545) + asuint(_e547));
                    int _e549 = late;
                    const int _e551 = dot4_(late_2_.w, u_11_);
                    late = asint(asuint(_e549) + asuint(_e551));
                    int _e553 = rate;
                    const int _e555 = dot4_(rate_2_.w, u_11_);
                    rate = asint(asuint(_e553) + asuint(_e555));
                    int _e557 = base;
                    const int _e559 = dot4_(base_2_.w, u_11_);
                    base = asint(asuint(_e557) + asuint(_e559));
                    uint u_12_ = operands_1[12];
                    int _e564 = early;
                    const int _e566 = dot4_(early_3_.x, u_12_);
                    early = asint(asuint(_e564) + asuint(_e566));
                    int _e568 = late;
                    const int _e570 = dot4_(late_3_.x, u_12_);
                    late = asint(asuint(_e568) + asuint(_e570));
                    int _e572 = rate;
                    const int _e574 = dot4_(rate_3_.x, u_12_);
                    rate = asint(asuint(_e572) + asuint(_e574));
                    int _e576 = base;
                    const int _e578 = dot4_(base_3_.x, u_12_);
                    base = asint(asuint(_e576) + asuint(_e578));
                    uint u_13_ = operands_1[13];
                    int _e583 = early;
                    const int _e585 = dot4_(early_3_.y, u_13_);
                    early = asint(asuint(_e583) + asuint(_e585));
                    int _e587 = late;
                    const int _e589 = dot4_(late_3_.y, u_13_);
                    late = asint(asuint(_e587) + asuint(_e589));
                    int _e591 = rate;
                    const int _e593 = dot4_(rate_3_.y, u_13_);
                    rate = asint(asuint(_e591) + asuint(_e593));
                    int _e595 = base;
                    const int _e597 = dot4_(base_3_.y, u_13_);
                    base = asint(asuint(_e595) + asuint(_e597));
                    uint u_14_ = operands_1[14];
                    int _e602 = early;
                    const int _e604 = dot4_(early_3_.z, u_14_);
                    early = asint(asuint(_e602) + asuint(_e604));
                    int _e606 = late;
                    const int _e608 = dot4_(late_3_.z, u_14_);
                    late = asint(asuint(_e606) + asuint(_e608));
                    int _e610 = rate;
                    const int _e612 = dot4_(rate_3_.z, u_14_);
                    rate = asint(asuint(_e610) + asuint(_e612));
                    int _e614 = base;
                    const int _e616 = dot4_(base_3_.z, u_14_);
                    base = asint(asuint(_e614) + asuint(_e616));
                    uint u_15_ = operands_1[15];
                    int _e621 = early;
                    const int _e623 = dot4_(early_3_.w, u_15_);
                    early = asint(asuint(_e621) + asuint(_e623));
                    int _e625 = late;
                    const int _e627 = dot4_(late_3_.w, u_15_);
                    late = asint(asuint(_e625) + asuint(_e627));
                    int _e629 = rate;
                    const int _e631 = dot4_(rate_3_.w, u_15_);
                    rate = asint(asuint(_e629) + asuint(_e631));
                    int _e633 = base;
                    const int _e635 = dot4_(base_3_.w, u_15_);
                    base = asint(asuint(_e633) + asuint(_e635));
                    int _e638 = early;
                    const int _e639 = scaled(_e638, early_scale);
                    const int _e640 = curve(0u, _e639);
                    int _e642 = late;
                    const int _e643 = scaled(_e642, late_scale);
                    const int _e644 = curve(0u, _e643);
                    int _e645 = rate;
                    const int _e646 = scaled(_e645, rate_scale);
                    int _e647 = base;
                    const int _e648 = scaled(_e647, base_scale);
                    const int _e656 = curve(SIGMOID, asint(asuint((asint(asuint(asint(asuint(_e646) * asuint(time))) + asuint(int(128))) >> 8u)) + asuint(_e648)));
                    hidden[min(uint(unit), 31u)] = asint(asuint(_e640) + asuint((asint(asuint(asint(asuint(asint(asuint(_e644) - asuint(_e640))) * asuint(_e656))) + asuint(int(8192))) >> 14u)));
                    GroupMemoryBarrierWithGroupSync();
                    if ((unit < LOGITS)) {
                        uint _e669 = step_;
                        uint _e672 = turn.members;
                        const int _e679 = logit(member_1, unit);
                        logits.Store(((((_e669 * _e672) + member_1) * LOGITS) + unit)*4, asuint(_e679));
                    }
                }
            }
            if ((unit < STATE_WORDS)) {
                int _e689 = hidden[min(uint((unit << 1u)), 31u)];
                uint low = (asuint(_e689) & 65535u);
                int _e702 = hidden[min(uint(((unit << 1u) + 1u)), 31u)];
                states.Store((words + unit)*4, asuint((low | (asuint(_e702) << 16u))));
            }
            GroupMemoryBarrierWithGroupSync();
        }
    }
    return;
}

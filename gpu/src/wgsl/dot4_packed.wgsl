// The sum of four products of int8, by the instruction for it where there is one.
fn dot4(weights: u32, operands: u32) -> i32 {
    return dot4I8Packed(weights, operands);
}

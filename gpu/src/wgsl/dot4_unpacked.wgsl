// Four int8 of a word: the shifts to and fro extend the sign.
fn unpacked(word: u32) -> vec4<i32> {
    let high = vec4<u32>(word << 24u, word << 16u, word << 8u, word);
    return bitcast<vec4<i32>>(high) >> vec4<u32>(24u);
}

// The sum of four products of int8, one by one.
fn dot4(weights: u32, operands: u32) -> i32 {
    let products = unpacked(weights) * unpacked(operands);
    return products.x + products.y + products.z + products.w;
}

//! A decision's body. Whatever the bytes are, they are read as a decision, which reads the same
//! once it is written, or not at all.
#![no_main]

use conclave::wire::{decode_decision, encode_decision, init};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: init(), |body: &[u8]| {
    if let Ok(decision) = decode_decision(body) {
        let again = decode_decision(&encode_decision(&decision));
        assert_eq!(again.expect("it was just written"), decision);
    }
});

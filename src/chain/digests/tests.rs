use proptest::prelude::*;

use super::*;

/// Bytes that differ from message to message, and from place to place.
fn message(length: usize, number: usize) -> Vec<u8> {
    let byte = |at: usize| (at.wrapping_mul(167) ^ at >> 3).wrapping_add(number.wrapping_mul(71));
    (0..length).map(|at| byte(at) as u8).collect()
}

/// All ways there are on this processor, and what they write.
fn digests_of(messages: &[Vec<u8>]) -> Vec<(&'static str, Vec<Digest>)> {
    let each = || messages.iter().map(Vec::as_slice);
    let written = |write: &dyn Fn(&mut [Digest])| {
        let mut digests = vec![Digest::ZERO; messages.len()];
        write(&mut digests);
        digests
    };
    let mut ways = vec![
        ("chosen", written(&|digests| digest_each(each(), digests))),
        (
            "alone",
            written(&|digests| digest_each_alone(each(), digests)),
        ),
    ];
    #[cfg(target_arch = "x86_64")]
    if let Some(unit) = sha_ni::ShaUnit::find() {
        ways.push((
            "side by side",
            written(&|digests| unit.digest_each(each(), digests)),
        ));
    }
    ways
}

fn assert_right(messages: &[Vec<u8>]) {
    let right: Vec<_> = messages.iter().map(|it| Digest::of(it)).collect();
    let lengths: Vec<_> = messages.iter().map(Vec::len).collect();
    for (way, digests) in digests_of(messages) {
        assert_eq!(digests, right, "{way}: {lengths:?}");
    }
}

#[test]
fn every_length_of_several_blocks_has_its_digest() {
    for length in 0..=320 {
        assert_right(&[message(length, 1)]);
        // Beside a message of the same length, a shorter and a longer one.
        let lengths = [length, length, length / 2, length + 65];
        let messages: Vec<_> = (0..).zip(lengths).map(|(n, it)| message(it, n)).collect();
        assert_right(&messages);
    }
}

#[test]
fn groups_of_any_size_and_unequal_messages_have_their_digests() {
    for count in 0..=33 {
        assert_right(&(0..count).map(|n| message(600, n)).collect::<Vec<_>>());
        let lengths = [0, 64, 1000, 55, 56, 63, 119, 4900, 120, 128];
        let ragged = (0..count).map(|n| message(lengths[n * 7 % 10], n));
        assert_right(&ragged.collect::<Vec<_>>());
    }
}

#[test]
fn what_has_no_counterpart_is_left_alone() {
    let messages = [message(10, 0), message(70, 1), message(200, 2)];
    let slices = || messages.iter().map(Vec::as_slice);
    let mut fewer = [Digest::ZERO; 2];
    digest_each(slices(), &mut fewer);
    assert_eq!(fewer, [Digest::of(&messages[0]), Digest::of(&messages[1])]);
    let mut more = [Digest::of(b"untouched"); 5];
    digest_each(slices(), &mut more);
    assert_eq!(more[2], Digest::of(&messages[2]));
    assert_eq!(more[3..], [Digest::of(b"untouched"); 2]);
}

proptest! {
    #![proptest_config(crate::test_support::config(256))]

    #[test]
    fn any_messages_have_their_digests(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..20)
    ) {
        assert_right(&messages);
    }
}

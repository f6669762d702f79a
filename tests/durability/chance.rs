//! Chance that can be had again: the same seed gives the same numbers.

use std::time::Duration;

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and good enough to choose by.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From `DURABILITY_SEED`, or a new one, which is told.
    pub fn new() -> Self {
        let seed = number("DURABILITY_SEED").unwrap_or_else(|| {
            let mut bytes = [0; 8];
            vestibule::seal::fill(&mut bytes);
            u64::from_le_bytes(bytes)
        });
        println!("to have the same choices again: DURABILITY_SEED={seed}");
        Self(seed)
    }

    /// Another one, whose numbers do not depend on how often this one is asked later.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// No longer than `most`.
    pub fn within(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.number() % u64::try_from(most.as_micros()).unwrap())
    }
}

/// What somebody who runs the test wants another way. No name begins with `VESTIBULE_`: the program refuses those that it
/// does not know.
pub fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var_os(variable)?.into_string().ok();
    let number = text.and_then(|text| text.parse().ok());
    assert!(number.is_some(), "{variable} is no number");
    number
}

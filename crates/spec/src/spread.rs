/// Over how many groups of GPUs the arguments of `vllm serve` spread a model, besides those that share each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Groups of which each has some of the layers (`--pipeline-parallel-size`).
    pub stages: u64,
    /// Groups of which each answers requests of its own (`--data-parallel-size`).
    pub ranks: u64,
}

// === impl Spread ===

impl Spread {
    /// From the words of a command line, of which the last says what counts.
    pub fn read(words: &[String]) -> Self {
        let mut spread = Self { stages: 1, ranks: 1 };
        for (place, word) in words.iter().enumerate() {
            let after = || words.get(place + 1).map_or("", String::as_str);
            let (name, value) = word.split_once('=').unwrap_or_else(|| (word.as_str(), after()));
            let size = match name.replace('_', "-").as_str() {
                "--pipeline-parallel-size" | "-pp" => &mut spread.stages,
                "--data-parallel-size" | "-dp" => &mut spread.ranks,
                _ => continue,
            };
            if let Some(given) = value.parse().ok().filter(|given| *given > 0) {
                *size = given;
            }
        }
        spread
    }

    /// Groups in all.
    pub const fn groups(self) -> u64 {
        self.stages.saturating_mul(self.ranks)
    }

    /// GPUs that share each layer where a replica has so many, and nobody says how many share one.
    pub fn shared_by(self, gpus: u64) -> u64 {
        gpus.checked_div(self.groups()).unwrap_or(gpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let read = |line: &str| Spread::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read("m --max-model-len 4"), Spread { stages: 1, ranks: 1 });
        assert_eq!(read("m -pp 4 --pipeline_parallel_size=2 -dp 3"), Spread { stages: 2, ranks: 3 });
        assert_eq!(read("m -pp 0 -dp x -pp"), Spread { stages: 1, ranks: 1 });
        assert_eq!(read("-pp 2 -dp 2").shared_by(8), 2);
    }
}

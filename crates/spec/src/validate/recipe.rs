use std::collections::{BTreeSet, HashMap};

use super::container::check_image;
use crate::{Recipe, fault::Scope, limits, quote::Quoted};

/// What the names and versions of packages are followed by in a command line: nothing else may stand in them.
const PIP: &str =
    "give the name and one version, as `librosa==0.10.2` or `vllm[audio]==0.32.0`; no options, addresses or ranges";
const APT: &str =
    "give the name, and a version if it matters, as `ffmpeg` or `libsndfile1=1.2.2-2`; no options or files";

pub(super) fn check<'d>(here: &mut Scope<'_>, recipe: &'d Recipe, names: &mut HashMap<&'d str, String>) {
    let Recipe { name, base, apt, pip } = recipe;
    if !is_name(name) {
        let most = limits::ID_CHARS;
        here.field("name").fault(format!(
            "name is {}; give 1 to {most} lower-case letters and digits, with `-` between them",
            Quoted(name)
        ));
    }
    if let Some(first) = names.get(name.as_str()) {
        let message = format!("name is {}, as at {first}; give each recipe a name of its own", Quoted(name));
        here.field("name").fault(message);
    }
    let place = here.path().to_owned();
    names.entry(name).or_insert(place);
    check_image(&mut here.field("base"), "base", base);
    if apt.is_empty() && pip.is_empty() {
        here.fault("one of recipes without packages builds nothing; name some in `apt` or `pip`, or name the image itself in `image`");
    }
    check_packages(&mut here.field("apt"), "apt", apt, is_apt, APT);
    check_packages(&mut here.field("pip"), "pip", pip, is_pip, PIP);
}

fn check_packages(here: &mut Scope<'_>, field: &str, packages: &[String], fits: fn(&str) -> bool, rule: &str) {
    if packages.len() > limits::PACKAGES {
        here.fault(format!("{field} names {} packages; at most {} are installed", packages.len(), limits::PACKAGES));
    }
    let mut seen = BTreeSet::new();
    for (index, package) in packages.iter().enumerate() {
        let mut here = here.element(index);
        if package.len() > limits::PACKAGE_CHARS || !fits(package) {
            here.fault(format!("{field} holds {}; {rule}", Quoted(package)));
        } else if !seen.insert(bare(package)) {
            here.fault(format!("{field} names {} twice; keep one of them", Quoted(bare(package))));
        }
    }
}

/// The name of a package alone.
fn bare(package: &str) -> &str {
    &package[..package.find(['=', '[']).unwrap_or(package.len())]
}

/// What Docker takes for a part of the name of an image.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=limits::ID_CHARS).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A package of Debian: policy, section 5.6.7. One that ends in `-` would be removed.
fn is_apt(package: &str) -> bool {
    let (name, version) = package.split_once('=').map_or((package, None), |(name, version)| (name, Some(version)));
    let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b);
    let in_version = |b: u8| b.is_ascii_alphanumeric() || b".+~:-".contains(&b);
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    begins(name)
        && !name.ends_with('-')
        && name.bytes().all(in_name)
        && version
            .is_none_or(|version| version.starts_with(|c: char| c.is_ascii_digit()) && version.bytes().all(in_version))
}

/// A requirement of PEP 508 with one version and no more.
fn is_pip(package: &str) -> bool {
    let Some((name, version)) = package.split_once("==") else { return false };
    let (name, extras) = match name.split_once('[') {
        Some((name, extras)) => match extras.strip_suffix(']') {
            Some(extras) => (name, Some(extras)),
            None => return false,
        },
        None => (name, None),
    };
    let in_version = |b: u8| b.is_ascii_alphanumeric() || b".!+_-".contains(&b);
    is_identifier(name)
        && extras.is_none_or(|extras| extras.split(',').all(is_identifier))
        && version.starts_with(|c: char| c.is_ascii_digit())
        && version.bytes().all(in_version)
}

fn is_identifier(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(text.bytes().next()) && edge(text.bytes().last()) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_versions_are_packages() {
        for package in ["ffmpeg", "g++", "libsndfile1=1.2.2-2", "libstdc++6=14.2.0-19~deb12u1", "lib32z1=1:1.3"] {
            assert!(is_apt(package), "{package}");
        }
        for package in
            ["", "-y", "ffmpeg-", "a b", "a;b", "./x.deb", "a=", "a=$(x)", "A", "a/stable", "--allow-downgrades", "a\n"]
        {
            assert!(!is_apt(package), "{package}");
        }
        for package in ["librosa==0.10.2", "vllm[audio,flash-attn]==0.32.0", "torch==2.9.0+cu129", "a==1!2.0.post1"] {
            assert!(is_pip(package), "{package}");
        }
        for package in [
            "librosa",
            "librosa>=1",
            "a==1,<2",
            "a==*",
            "a==1.*",
            "-r x",
            "--index-url==1",
            "a @ https://x",
            "git+https://x==1",
            "a[b==1",
            "a[]==1",
            "a==1 ; x",
            "a==1;x",
            "a==`x`",
            "a== 1",
            "==1",
            "./a==1",
            "a===1",
        ] {
            assert!(!is_pip(package), "{package}");
        }
    }
}

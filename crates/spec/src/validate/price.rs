use super::number;
use crate::{Price, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, price: &Price) {
    let Price { input, cached_input, output, image, audio_second, character, search, request } = *price;
    let prices = [
        ("input", Some(input)),
        ("cached_input", cached_input),
        ("output", Some(output)),
        ("image", Some(image)),
        ("audio_second", Some(audio_second)),
        ("character", Some(character)),
        ("search", Some(search)),
        ("request", Some(request)),
    ];
    for (field, value) in prices {
        if let Some(value) = value {
            number::check_from_zero(&mut here.field(field), field, value, limits::PRICE);
        }
    }
}

//! What strangers say, without our secrets: who repeats what he was shown must not bring it to a screen or into a log.

use crate::registry::authority::credentials::{Credential, Secret};
use crate::registry::authority::helper::TOKEN_USER;
use crate::registry::url::form;

/// Bytes from which on a word is looked for: shorter ones are in every text.
const MIN_LENGTH: usize = 4;
/// What stands in the place of a secret.
const VEIL: &str = "***";

impl Secret {
    /// Every form in which it is shown to somebody.
    pub(super) fn words(&self) -> Vec<String> {
        let basic = |user: &str, password: &str| {
            let credential = Credential {
                user: user.to_owned(),
                password: password.to_owned(),
            };
            let in_form = form(&[("", password)]).split_off(1);
            vec![password.to_owned(), credential.encoded(), in_form]
        };
        match self {
            Secret::Password(found) => basic(&found.user, &found.password),
            Secret::Identity { user, token } => basic(user.as_deref().unwrap_or(TOKEN_USER), token),
            Secret::Token(token) => vec![token.clone()],
        }
    }
}

/// `text` without `secrets`; it may have been cut off in the middle of one.
pub(super) fn veil(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= MIN_LENGTH) {
        text = text.replace(secret.as_str(), VEIL);
        let beginnings = (MIN_LENGTH..secret.len()).rev();
        let beginnings = beginnings.filter_map(|end| secret.get(..end));
        let cut = beginnings
            .into_iter()
            .find_map(|beginning| text.strip_suffix(beginning));
        if let Some(before) = cut {
            text = format!("{before}{VEIL}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_also_where_they_are_cut_off() {
        let secret = Secret::of(Credential {
            user: "ada".into(),
            password: "hunter2ä".into(),
        });
        let words = secret.words();
        let said = |text: &str| veil(text, &words);
        assert_eq!(said("no hunter2ä, no"), "no ***, no");
        assert_eq!(
            said(&format!("Basic {} is wrong", words[1])),
            "Basic *** is wrong"
        );
        assert_eq!(said("password=hunter2%C3%A4&x"), "password=***&x");
        assert_eq!(said("you said hunte"), "you said ***");
        assert_eq!(said("a hunt"), "a ***");
        assert_eq!(said("a hun"), "a hun");
        assert_eq!(veil("an a", &["a".to_owned()]), "an a");
    }
}

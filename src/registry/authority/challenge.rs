//! `WWW-Authenticate`: how a registry says what it wants to see. RFC 9110, 11.6.1.

/// Scopes that one token is asked for; a pull needs one, two where a layer is mounted from elsewhere.
const MAX_SCOPES: usize = 16;

/// One challenge: a scheme, in lower case, and its parameters with names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a registry wants, the best that we can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A token from a service.
    Bearer(TokenDemand),
    /// User and password.
    Basic,
}

/// What kind of token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenDemand {
    /// The service's URL; untrusted.
    pub realm: String,
    /// Whom the token is for.
    pub service: Option<String>,
    /// What the registry wants the token to allow, with blanks between.
    scope: Option<String>,
    /// Whether the token that was shown is good, but allows too little. RFC 6750, 3.1.
    pub wants_more: bool,
}

impl TokenDemand {
    /// What the registry wants the token to allow.
    pub fn scopes(&self) -> Vec<String> {
        let words = self.scope.iter().flat_map(|text| text.split(' '));
        let words = words.filter(|word| !word.is_empty()).take(MAX_SCOPES);
        words.map(str::to_owned).collect()
    }
}

impl Demand {
    /// The demand in `headers`, each of which may hold several challenges. Bearer wins
    /// over Basic: registries that offer both mean Basic for their token service.
    pub fn from_headers<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Demand> {
        let challenges: Vec<Challenge> = headers.flat_map(parse).collect();
        let bearer = challenges.iter().find_map(|challenge| {
            let realm = challenge
                .parameter("realm")
                .filter(|_| challenge.scheme == "bearer")?;
            let owned = |name| challenge.parameter(name).map(str::to_owned);
            Some(Demand::Bearer(TokenDemand {
                realm: realm.to_owned(),
                service: owned("service"),
                scope: owned("scope"),
                wants_more: challenge.parameter("error") == Some("insufficient_scope"),
            }))
        });
        let has_basic = challenges
            .iter()
            .any(|challenge| challenge.scheme == "basic");
        bearer.or(has_basic.then_some(Demand::Basic))
    }
}

/// Reads the challenges of one header; stops at the first thing that is none.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let Some((word, after)) = token(rest) else {
            return challenges;
        };
        let after_blanks = after.trim_start_matches([' ', '\t']);
        match (after_blanks.strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
                challenge
                    .parameters
                    .push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            (Some(_), None) => return challenges,
            (None, _) => {
                challenges.push(Challenge {
                    scheme: word.to_ascii_lowercase(),
                    parameters: Vec::new(),
                });
                rest = after;
            }
        }
    }
}

/// The token at the front of `text`, and what follows it. RFC 9110, 5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A quoted string or a token, and what follows it. An unclosed quote ends with the header.
/// Unquoted values run to the next comma or blank: URLs are seen unquoted in the wild.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[position + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, scope: &str) -> Option<Demand> {
        Some(Demand::Bearer(TokenDemand {
            realm: realm.into(),
            service: Some("s".into()),
            scope: Some(scope.into()),
            wants_more: false,
        }))
    }

    #[test]
    fn challenges_are_found_whatever_their_dress() {
        let demand = |headers: &[&str]| Demand::from_headers(headers.iter().copied());
        let plain = r#"Bearer realm="https://t/x",service="s",scope="repository:a:pull,push""#;
        let expected = bearer("https://t/x", "repository:a:pull,push");
        assert_eq!(demand(&[plain]), expected);
        assert_eq!(demand(&["Basic realm=\"a, b\"", plain]), expected);
        assert_eq!(
            demand(&[&format!("Basic realm=\"x\", Negotiate, {plain}")]),
            expected
        );
        let odd = r#"BEARER  Realm = "https://t/x" , SERVICE=s, scope="repository:a:pull,push"  "#;
        assert_eq!(demand(&[odd]), expected);
        let escaped = r#"bearer realm="https://t/\x\"",service="s",scope="""#;
        assert_eq!(demand(&[escaped]), bearer("https://t/x\"", ""));
        assert_eq!(demand(&["basic"]), Some(Demand::Basic));
        assert_eq!(
            demand(&["Digest realm=x", "Bearer service=x", "", "=,\""]),
            None
        );
        let more = format!("{plain},error=\"insufficient_scope\"");
        let Some(Demand::Bearer(more)) = demand(&[&more]) else {
            panic!("{more} demands a token");
        };
        assert!(more.wants_more);
    }

    #[test]
    fn several_scopes_are_counted_one_by_one() {
        let header =
            r#"Bearer realm="https://t",scope=" repository:a:pull  repository:b:pull,push""#;
        let Some(Demand::Bearer(demand)) = Demand::from_headers([header].into_iter()) else {
            panic!("{header} demands a token");
        };
        let expected = ["repository:a:pull", "repository:b:pull,push"];
        assert_eq!(demand.scopes(), expected);
    }
}

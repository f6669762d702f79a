//! The token request (RFC 6749 section 3.2): its parameters, per grant type.

use super::{error::TokenError, parameters::Parameters};
use crate::metrics::outcome::GrantType;

/// A token request of a grant type that this server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantRequest {
    /// `authorization_code`
    Code(CodeRequest),
    /// `refresh_token`
    Refresh(RefreshRequest),
}

/// RFC 6749 section 4.1.3, RFC 7636 section 4.5, RFC 8707 section 2.2.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeRequest {
    /// The authorization code.
    pub code: String,
    /// Checked if it is there (OAuth 2.1 section 10.2).
    pub redirect_uri: Option<String>,
    /// PKCE.
    pub code_verifier: Option<String>,
    /// As sent; none means the one of the authorization request.
    pub resources: Vec<String>,
}

/// RFC 6749 section 6, RFC 8707 section 2.2.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: String,
    /// None means everything that was granted.
    pub scope: Option<String>,
    /// As sent; none means the one of the grant.
    pub resources: Vec<String>,
}

// === impl GrantRequest ===

impl GrantRequest {
    /// Reads the parameters that the grant type needs.
    ///
    /// # Errors
    /// [`TokenError::Duplicate`], [`TokenError::Missing`] or [`TokenError::UnsupportedGrantType`].
    pub fn parse(parameters: &Parameters) -> Result<Self, TokenError> {
        let owned = |name| Ok::<_, TokenError>(parameters.get(name)?.map(str::to_owned));
        let needed = |name| owned(name)?.ok_or(TokenError::Missing(name));
        let resources = parameters.all("resource").map(str::to_owned).collect();
        match needed("grant_type")?.as_str() {
            "authorization_code" => Ok(Self::Code(CodeRequest {
                code: needed("code")?,
                redirect_uri: owned("redirect_uri")?,
                code_verifier: owned("code_verifier")?,
                resources,
            })),
            "refresh_token" => Ok(Self::Refresh(RefreshRequest {
                refresh_token: needed("refresh_token")?,
                scope: owned("scope")?,
                resources,
            })),
            _ => Err(TokenError::UnsupportedGrantType),
        }
    }

    /// The label to count a request with, whatever is wrong with it.
    pub fn label(parameters: &Parameters) -> GrantType {
        match parameters.get("grant_type") {
            Ok(Some("authorization_code")) => GrantType::AuthorizationCode,
            Ok(Some("refresh_token")) => GrantType::RefreshToken,
            _ => GrantType::Other,
        }
    }
}

// === impl CodeRequest ===

impl std::fmt::Debug for CodeRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CodeRequest").field("resources", &self.resources.len()).finish_non_exhaustive()
    }
}

// === impl RefreshRequest ===

impl std::fmt::Debug for RefreshRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RefreshRequest").field("resources", &self.resources.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<GrantRequest, TokenError> {
        GrantRequest::parse(&Parameters::parse(text.as_bytes()))
    }

    #[test]
    fn each_grant_type_needs_its_own_parameters() {
        assert!(matches!(parse("grant_type=authorization_code&code=c"), Ok(GrantRequest::Code(_))));
        assert!(matches!(parse("grant_type=refresh_token&refresh_token=t"), Ok(GrantRequest::Refresh(_))));
        assert!(matches!(parse("code=c"), Err(TokenError::Missing("grant_type"))));
        assert!(matches!(parse("grant_type=authorization_code"), Err(TokenError::Missing("code"))));
        assert!(matches!(parse("grant_type=refresh_token"), Err(TokenError::Missing("refresh_token"))));
        assert!(matches!(parse("grant_type=password&username=u"), Err(TokenError::UnsupportedGrantType)));
    }

    /// AS-49: a repeated parameter is an error, except `resource` (RFC 8707 section 2).
    #[test]
    fn as49_repeated_parameters() {
        let twice = parse("grant_type=authorization_code&code=a&code=b");
        assert!(matches!(twice, Err(TokenError::Duplicate(_))));
        let Ok(GrantRequest::Code(request)) = parse("grant_type=authorization_code&code=a&resource=x&resource=y")
        else {
            panic!("not a code request")
        };
        assert_eq!(request.resources, ["x", "y"]);
    }

    #[test]
    fn tokens_are_not_printed() {
        let shown = format!("{:?}", parse("grant_type=refresh_token&refresh_token=hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

//! What a token is, and what follows from that: what it may do, and whether CI runs on what is pushed with it.
use crate::forge::RepositoryFacts;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What an App needs for publishing a fix: to push, to track, to open and merge, to start a run again.
const PUBLISHING: &[(&str, &str)] = &[
    ("contents", "the App lacks `contents: write`"),
    ("issues", "the App lacks `issues: write`"),
    ("pull_requests", "the App lacks `pull_requests: write`"),
    ("actions", "the App lacks `actions: write`"),
];

/// What kind of token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    None,
    /// A personal token that has scopes.
    Classic,
    /// A personal token that has permissions for some repositories.
    FineGrained,
    /// What a person gave to a program such as `gh`; it has scopes.
    OAuth,
    /// What an App uses in a person's name.
    AppUser,
    /// What an App uses in its own name.
    Installation,
    /// What GitHub gives to a job of a workflow.
    Actions,
    Unknown,
}

/// Whether a token may do something, as far as can be known without trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum May {
    Yes,
    /// No, because of this.
    No(&'static str),
    /// Only trying tells.
    Untold(&'static str),
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    pub kind: TokenKind,
    /// Whose it is; an App's has nobody.
    pub login: Option<String>,
    /// What a classic token is for.
    pub scopes: Vec<String>,
    /// What an App may do, `read` or `write` each; of other tokens GitHub does not tell.
    pub permissions: BTreeMap<String, String>,
    pub expires_at: Option<Timestamp>,
    /// Seconds by which the forge's clock is ahead of ours.
    pub clock_skew_s: Option<i64>,
}

impl TokenKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Classic => "classic",
            Self::FineGrained => "fine-grained",
            Self::OAuth => "oauth",
            Self::AppUser => "app-user",
            Self::Installation => "installation",
            Self::Actions => "actions",
            Self::Unknown => "unknown",
        }
    }

    /// Whether pushes made with such a token start workflows; `None`: not known.
    pub const fn starts_ci(self) -> Option<bool> {
        match self {
            Self::Classic | Self::FineGrained | Self::OAuth | Self::AppUser | Self::Installation => Some(true),
            Self::Actions | Self::None => Some(false),
            Self::Unknown => None,
        }
    }

    const fn has_scopes(self) -> bool {
        matches!(self, Self::Classic | Self::OAuth)
    }
}

impl Abilities {
    /// Whether it may push branches, open issues and pull requests, and start workflows again in a repository.
    pub fn may_write(&self, facts: &RepositoryFacts) -> May {
        if facts.is_archived {
            return May::No("the repository is archived");
        }
        if facts.may_push == Some(false) {
            return May::No("the owner of the token may not push there");
        }
        if self.kind == TokenKind::None {
            return May::No("there is no token");
        }
        if !self.permissions.is_empty() {
            let missing = PUBLISHING.iter().find(|(name, _)| !self.is_permitted(name));
            return missing.map_or(May::Yes, |(_, why)| May::No(why));
        }
        if !self.kind.has_scopes() {
            return May::Untold("GitHub does not tell what such a token may write; it is seen when it is done");
        }
        let needed: &[&str] = if facts.is_private { &["repo"] } else { &["repo", "public_repo"] };
        if needed.iter().any(|it| self.has_scope(it)) { May::Yes } else { May::No("the token lacks the scope `repo`") }
    }

    /// Whether GitHub's coding agent works for who has it: for people only, never for an App in its own name.
    pub fn may_ask_copilot(&self) -> May {
        match self.kind {
            TokenKind::None => May::No("there is no token"),
            TokenKind::Installation => May::No("it works for no App's own token; use a person's"),
            TokenKind::Actions => May::No("it works for no workflow's token; use a person's"),
            _ if !self.kind.has_scopes() => {
                May::Untold("the token needs to write actions, contents, issues and pull requests")
            }
            _ if self.has_scope("repo") => May::Yes,
            _ => May::No("the token lacks the scope `repo`"),
        }
    }

    /// Whether it may push changes to workflow files.
    pub fn may_change_workflows(&self) -> May {
        match self.kind {
            TokenKind::Actions => May::No("the token of a workflow never may"),
            TokenKind::None => May::No("there is no token"),
            _ if self.is_permitted("workflows") => May::Yes,
            _ if !self.permissions.is_empty() => May::No("the App lacks `workflows: write`"),
            _ if !self.kind.has_scopes() => May::Untold("GitHub does not tell; it needs `workflows: write`"),
            _ if self.has_scope("workflow") => May::Yes,
            _ => May::No("the token lacks the scope `workflow`"),
        }
    }

    fn is_permitted(&self, name: &str) -> bool {
        self.permissions.get(name).is_some_and(|it| it == "write")
    }

    fn has_scope(&self, name: &str) -> bool {
        self.scopes.iter().any(|it| it == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(kind: TokenKind, scopes: &[&str]) -> Abilities {
        let scopes = scopes.iter().map(|it| (*it).to_owned()).collect();
        Abilities { kind, login: None, scopes, permissions: BTreeMap::new(), expires_at: None, clock_skew_s: None }
    }

    #[test]
    fn scopes_say_what_a_token_may() {
        let public = RepositoryFacts {
            name: None,
            default_branch: "main".to_owned(),
            is_private: false,
            is_fork: false,
            is_archived: false,
            may_push: Some(true),
            merge_methods: Vec::new(),
        };
        let private = RepositoryFacts { is_private: true, ..public.clone() };
        let classic = token(TokenKind::Classic, &["public_repo"]);
        assert_eq!(classic.may_write(&public), May::Yes);
        assert!(matches!(classic.may_write(&private), May::No(_)));
        assert!(matches!(classic.may_change_workflows(), May::No(_)));
        assert_eq!(token(TokenKind::OAuth, &["repo", "workflow"]).may_write(&private), May::Yes);
        assert_eq!(token(TokenKind::OAuth, &["repo", "workflow"]).may_change_workflows(), May::Yes);
        let fine = token(TokenKind::FineGrained, &[]);
        assert!(matches!(fine.may_write(&public), May::Untold(_)));
        assert!(matches!(fine.may_ask_copilot(), May::Untold(_)));
        assert!(matches!(classic.may_ask_copilot(), May::No(_)));
        assert_eq!(token(TokenKind::OAuth, &["repo"]).may_ask_copilot(), May::Yes);
        assert!(matches!(token(TokenKind::Installation, &[]).may_ask_copilot(), May::No(_)));
        let mut app = token(TokenKind::Installation, &[]);
        app.permissions = ["contents", "issues"].map(|it| (it.to_owned(), "write".to_owned())).into();
        app.permissions.insert("pull_requests".to_owned(), "read".to_owned());
        assert_eq!(app.may_write(&private), May::No("the App lacks `pull_requests: write`"));
        assert_eq!(app.may_change_workflows(), May::No("the App lacks `workflows: write`"));
        app.permissions = ["contents", "issues", "pull_requests", "actions", "workflows"]
            .map(|it| (it.to_owned(), "write".to_owned()))
            .into();
        assert_eq!((app.may_write(&private), app.may_change_workflows()), (May::Yes, May::Yes));
        let reader = RepositoryFacts { may_push: Some(false), ..public.clone() };
        let archived = RepositoryFacts { is_archived: true, ..public };
        for facts in [reader, archived] {
            assert!(matches!(fine.may_write(&facts), May::No(_)));
        }
    }

    #[test]
    fn only_the_token_of_a_workflow_starts_no_workflows() {
        assert_eq!(TokenKind::Actions.starts_ci(), Some(false));
        assert_eq!(TokenKind::Installation.starts_ci(), Some(true));
        assert_eq!(TokenKind::Unknown.starts_ci(), None);
    }
}

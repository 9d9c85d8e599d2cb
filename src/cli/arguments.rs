//! The command line, as clap reads it (DESIGN §4.1).
use crate::cli::init;
use crate::config::log::LogFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// First on the scene of a red build: heals CI failures with proof, and leaves every decision to a person.
#[derive(Debug, Parser)]
#[command(name = "paramedic", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 ok · 1 failed · 2 wrong usage · 3 precondition failed (moved on, already decided) · \
4 not authenticated · 5 refused by policy or read-only · 8 still pending";

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Print one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Ask this server instead, with the token in `PARAMEDIC_TOKEN` [env: `PARAMEDIC_API`]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) api: Option<String>,
    /// Folder of the database, drafts and logs [env: `PARAMEDIC_DATA_DIR`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Database: `postgres://…` or `sqlite:PATH` [env: `PARAMEDIC_DATABASE`] [default: in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) database: Option<String>,
    /// Settings file, read after /etc and the user's own
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Colours in the console and in diffs
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// Look only: decisions are refused
    #[arg(long, global = true)]
    pub(super) read_only: bool,
    /// Name of the person who decides [env: `PARAMEDIC_OPERATOR`] [default: the login name]
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(super) operator: Option<String>,
    /// Theme of the console: auto, dark, light, ansi16, mono, or a file [env: `PARAMEDIC_THEME`]
    #[arg(long, global = true, value_name = "THEME")]
    pub(super) theme: Option<String>,
    /// What is logged on standard error: error, warn, info, debug, trace, off, or a filter like `info,paramedic::http=debug`
    /// [env: `PARAMEDIC_LOG`] [default: info for a service, nothing for other commands]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Open the console (the default)
    Console {
        /// Open this run at once
        run: Option<String>,
        /// Write everything that happens in the console to a file, for a bug report; it holds log text and what is typed
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Make small real repositories that are really broken, heal them, and open the console on them
    Demo {
        /// Do not open the console
        #[arg(long)]
        headless: bool,
        /// Folder for repositories and database; must be empty or not there [default: a new temporary one]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Heal the tests of a local repository, in the foreground
    Heal(Heal),
    /// Carry out a change that is ordered in words: on a local repository in the foreground, or with --api on the server's
    Dispatch(Dispatch),
    /// List the runs, newest change first
    #[command(visible_alias = "list")]
    Runs {
        /// Only runs in this state
        #[arg(long)]
        status: Option<String>,
        /// Only runs of this repository
        #[arg(long)]
        repository: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// Show a run with its attempts and timeline
    Show {
        /// An id, the beginning of one, or `latest`
        run: String,
    },
    /// Print an output of a run: the one that says what is red, or another
    Log {
        /// An id, the beginning of one, or `latest`
        run: String,
        /// Number of the attempt; 0 = the failing commit
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        /// Only the failure lines, with their numbers
        #[arg(long)]
        errors: bool,
        /// Name of the output, as `show` lists them
        #[arg(long, value_name = "NAME", conflicts_with = "attempt")]
        output: Option<String>,
        /// The stored bytes as they are; refuses a terminal
        #[arg(long)]
        raw: bool,
    },
    /// Print the patch of a run
    Diff {
        /// An id, the beginning of one, or `latest`
        run: String,
        /// Number of the attempt [default: the one a decision is about]
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        /// The patch as it is stored; refuses a terminal
        #[arg(long)]
        raw: bool,
    },
    /// Follow a run until it comes to rest
    Watch {
        /// An id, the beginning of one, or `latest`
        run: String,
    },
    /// Accept the proved patch: one commit on a new branch
    Approve(Decide),
    /// Refuse the fix, or close an escalation
    Deny(Decide),
    /// Stop a run and everything it started
    Abort(Decide),
    /// Heal once more, with a fresh budget
    Retry(Decide),
    /// Open a pull request that would not be opened otherwise: a draft of an escalated run's patch, or a proved one that waits for a word
    Publish(Decide),
    /// Supply a fix by hand: it is judged like any other attempt
    HumanFix {
        #[command(flatten)]
        decide: Decide,
        #[command(flatten)]
        fix: Fix,
    },
    /// Take a reported failure into the backlog: the normalised payload, a Jenkins notification, or a delivery of GitHub or GitLab.
    /// With --api it goes to the server's webhook, signed with `CI_HEALING_WEBHOOK_SECRET`
    Ingest(Ingest),
    /// Serve the backlog over HTTP, with workers in the same process
    Serve(Serve),
    /// Work on queued runs until stopped
    Worker(Worker),
    /// Judge a patch by the repository's policy
    Guard(Guard),
    /// Write the repository's side: how it is healed, what a fix may touch, and workflows for GitHub Actions
    Init(Init),
    /// Say who may look and decide on a server, and give them tokens
    Operator {
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// Check or export the audit chain
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Move the backlog to another database, or back it up
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Show, check or locate the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Say what works on this machine and what does not
    Doctor {
        /// Ask nothing of GitHub
        #[arg(long)]
        offline: bool,
    },
    /// Print the completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub(super) struct Heal {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) repo: PathBuf,
    /// The command that is to become green [default: found in the repository]
    #[arg(long, value_name = "CMD")]
    pub(super) test: Option<String>,
    /// An agent, in the order they are tried; may be given several times [default: playbook]
    #[arg(long = "agent", value_name = "NAME")]
    pub(super) agents: Vec<String>,
    /// A program as agent: prompt on standard input, edits files in place
    #[arg(long, value_name = "CMD")]
    pub(super) agent_command: Option<String>,
    /// Attempts before a person is asked, 1 to 5 [default: 3]
    #[arg(long, value_name = "N")]
    pub(super) max_attempts: Option<u32>,
    /// Never fetch dependencies before the tests
    #[arg(long)]
    pub(super) offline: bool,
    /// Time limit of each test run and each turn of an agent [default: 10m]
    #[arg(long, value_name = "DUR")]
    pub(super) timeout: Option<String>,
}

impl Heal {
    /// Returns an option that was given and that only an order on this machine takes.
    pub(super) fn given(&self) -> Option<&'static str> {
        let options = [
            ("--repo", self.repo.as_os_str() != "."),
            ("--test", self.test.is_some()),
            ("--agent", !self.agents.is_empty()),
            ("--agent-command", self.agent_command.is_some()),
            ("--max-attempts", self.max_attempts.is_some()),
            ("--offline", self.offline),
            ("--timeout", self.timeout.is_some()),
        ];
        options.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

#[derive(Debug, Args)]
pub(super) struct Dispatch {
    /// What the order wants
    #[arg(value_parser = ["create", "fix"])]
    pub(super) intent: String,
    /// The change, in words
    pub(super) instruction: String,
    /// Further words or file paths
    #[arg(long, value_name = "TEXT")]
    pub(super) context: Option<String>,
    #[command(flatten)]
    pub(super) heal: Heal,
}

#[derive(Debug, Args)]
pub(super) struct Worker {
    /// End when nothing is left to do
    #[arg(long)]
    pub(super) drain: bool,
    /// Runs to work on at once [default: 2, or as the settings say]
    #[arg(long, value_name = "N")]
    pub(super) concurrency: Option<u32>,
    /// Runs of one repository that all workers together work on at once; 0 = any number [default: 2, or as the settings say]
    #[arg(long, value_name = "N")]
    pub(super) per_repository: Option<u32>,
    /// How lines of the log are written: auto, text or json [default: text on a terminal, JSON elsewhere]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:7171]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// Workers in this process; 0 = none, `paramedic worker` works elsewhere [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=64))]
    pub(super) workers: Option<u16>,
    /// Certificate chain (PEM); SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// How lines of the log are written: auto, text or json [default: text on a terminal, JSON elsewhere]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// An id, the beginning of one, or `latest`
    pub(super) run: String,
    /// Why; kept in the timeline
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
    /// Digest of the patch you looked at (`show` prints it); refused when there is another by now
    #[arg(long, value_name = "DIGEST")]
    pub(super) rev: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Fix {
    /// A unified diff against the failing commit; `-` = standard input
    #[arg(long, value_name = "FILE")]
    pub(super) patch: Option<PathBuf>,
    /// The changes in this checkout or worktree of the repository
    #[arg(long, value_name = "DIR")]
    pub(super) from_worktree: Option<PathBuf>,
    /// Words for the agent; the next attempt is the agent's
    #[arg(long, value_name = "TEXT")]
    pub(super) hint: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Guard {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) repo: PathBuf,
    /// What the change is for; its policy counts, as it is there now [default: origin's default branch, else HEAD]
    #[arg(long, value_name = "REF")]
    pub(super) base: Option<String>,
    /// Where it ends [default: HEAD]
    #[arg(long, value_name = "REF")]
    pub(super) head: Option<String>,
    /// Another policy file
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Judge this patch instead; `-` = standard input
    #[arg(long, value_name = "FILE", conflicts_with = "head")]
    pub(super) patch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The repository; any folder of its checkout will do
    #[arg(long, alias = "dir", value_name = "DIR", default_value = ".")]
    pub(super) repo: PathBuf,
    /// Only these files
    #[arg(long, value_name = "NAME", value_enum, num_args = 1.., value_delimiter = ',')]
    pub(super) only: Vec<init::Name>,
    /// Show what would be written, as a diff, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Overwrite files that are there and different
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Add an operator and print their token, which is shown this once
    Add {
        /// Their name: letters, digits, and . _ - @ + or blanks between them
        #[arg(allow_hyphen_values = true)]
        name: String,
        /// viewer reads; operator also decides; admin also verifies and exports the audit
        #[arg(long, value_name = "ROLE")]
        role: String,
        /// Read a password from the first line of standard input, for `POST /token`
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the operators; tokens and passwords are not shown, nobody has them
    List,
    /// Accept nothing of an operator's any more
    Revoke { name: String },
    /// Print a new token of an operator; the one before is dead at once
    Token { name: String },
    /// Set the password of an operator, for `POST /token`
    Password {
        name: String,
        /// Read it from the first line of standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Find any edit or gap in the chain of events
    Verify,
    /// Print all events as JSON lines
    Export,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Copy everything into an empty database: runs, attempts, the audit chain, outputs, operators
    Copy {
        /// `postgres://…`, `sqlite:PATH`, a data folder, or its database file
        from: String,
        /// `postgres://…` or `sqlite:PATH`; empty or not there yet
        to: String,
    },
    /// Copy the embedded database into a new file, also while it is in use
    Backup { file: PathBuf },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the settings in force
    Show,
    /// Say whether settings, theme and keymap are valid
    Check,
    /// Print where settings are looked for
    Path,
}

#[derive(Debug, Args)]
pub(super) struct Ingest {
    /// File of the payload; `-` = standard input
    pub(super) file: PathBuf,
    /// The event of a delivery: a GitHub one like `workflow_run`, or a GitLab one like `Pipeline Hook`
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
    /// The sender's id of the delivery; the same one a second time changes nothing
    #[arg(long, value_name = "ID")]
    pub(super) delivery: Option<String>,
}

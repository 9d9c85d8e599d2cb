//! What the product is about: runs, attempts, patches, verdicts and events. Pure: no I/O, no async, no clock.
pub mod attempt;
pub mod ci;
pub mod copilot;
pub mod event;
pub mod failure;
pub mod family;
pub mod forge;
pub mod ids;
pub mod limits;
pub mod metrics;
pub mod names;
pub mod operator;
pub mod order;
pub mod output;
pub mod patch;
pub mod reason;
pub mod receipt;
pub mod run;
pub mod run_forge;
pub mod transition;
pub mod verdict;

pub use attempt::{Attempt, AttemptFailure, AttemptStatus, Author};
pub use ci::{
    Budget, ChecksSummary, CiJob, CiRun, CiState, CiStep, CiView, Deployment, LimitsPicture, Picture, RulesFile,
    RulesPicture, SeenPull, SeenRun, Used,
};
pub use copilot::{Asked, CopilotAsk, CopilotChange};
pub use event::{Event, EventType, NewEvent};
pub use failure::{Category, Failure, TestReport};
pub use family::{
    AfterOutcome, Aftermath, ChecksState, Chores, Family, Hold, Merging, OtherPull, PullState, Refusal, Revert,
    Tracking, family_key,
};
pub use forge::{CarryOut, ForgeTerms, MergeMethod};
pub use ids::{Digest, RunId};
pub use limits::{heals_today_of, limits};
pub use metrics::{Depth, RepositorySummary, Summary};
pub use operator::{Operator, Role};
pub use order::{CiRef, Instruction, Intent, Order, Pending};
pub use patch::Patch;
pub use reason::Reason;
pub use receipt::{Ignored, Receipt, Taken};
pub use run::{PrState, Provider, ResolvedBy, Run, RunDetail, RunQuery, Source, Status};
pub use run_forge::{RunForge, RunPull};
pub use transition::{Illegal, MergeFacts, MergedBy, PullFacts, Transition};
pub use verdict::{Finding, Judgement, Verdict};

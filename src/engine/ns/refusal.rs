//! What a plan may want that namespaces cannot do; found before anything is touched.

use crate::plan::RunPlan;

/// Why this engine cannot carry out `plan`; `None` if it can.
pub(in crate::engine) fn refusal(plan: &RunPlan) -> Option<String> {
    if let Some(release) = &plan.kernel {
        return Some(format!("another kernel release (`{release}`)"));
    }
    None
}

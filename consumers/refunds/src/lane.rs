//! The two lanes of refunds. Each has an executor of its own, so that the hundred thousand refunds of a cancelled
//! show stand in nobody's way.

use std::sync::Arc;

use boxoffice_gateways::{GatewayAccount, GatewayClient, Gateways};
use boxoffice_saga::task::TaskKind;

/// Which refunds, and on whose account they call.
pub trait Lane: Send + Sync + 'static {
    /// Their tasks.
    const KINDS: &'static [TaskKind];

    /// The client that they use.
    fn client<'a>(
        gateways: &'a Gateways,
        account: &GatewayAccount,
    ) -> Option<&'a Arc<dyn GatewayClient>>;
}

/// All but the next.
#[derive(Debug)]
pub struct Ordinary;

/// Those of cancelled shows: an operator can pause them, and they get their share of the gateway's rate.
#[derive(Debug)]
pub struct Mass;

impl Lane for Ordinary {
    const KINDS: &'static [TaskKind] = &[TaskKind::Refund];

    fn client<'a>(
        gateways: &'a Gateways,
        account: &GatewayAccount,
    ) -> Option<&'a Arc<dyn GatewayClient>> {
        gateways.client(account)
    }
}

impl Lane for Mass {
    const KINDS: &'static [TaskKind] = &[TaskKind::MassRefund];

    fn client<'a>(
        gateways: &'a Gateways,
        account: &GatewayAccount,
    ) -> Option<&'a Arc<dyn GatewayClient>> {
        gateways.mass_client(account)
    }
}

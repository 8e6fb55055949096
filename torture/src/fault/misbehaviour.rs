//! Destinations that misbehave, one fault per way to do it.
//!
//! Only the destination that misbehaves may be late. The steady one, which gets the same events, must
//! not notice.

use super::{Card, Fault, Work};
use crate::destination::{Mode, Role};
use crate::dice::Dice;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;

/// A way to misbehave.
pub(crate) struct Misbehaviour {
    name: &'static str,
    about: &'static str,
    role: Role,
    mode: fn(&mut Dice) -> Mode,
}

/// All ways.
pub(crate) static ALL: [Misbehaviour; 11] = [
    Misbehaviour {
        name: "refuse",
        about: "nobody listens at the destination",
        role: Role::Victim,
        mode: |_| Mode::Refuse,
    },
    Misbehaviour {
        name: "hang",
        about: "the destination takes requests and never answers",
        role: Role::Victim,
        mode: |_| Mode::Hang,
    },
    Misbehaviour {
        name: "drip",
        about: "the destination sends its answer a byte at a time, for ever",
        role: Role::Victim,
        mode: |_| Mode::Drip,
    },
    Misbehaviour {
        name: "reset",
        about: "the destination resets the connection after it took the request",
        role: Role::Victim,
        mode: |_| Mode::Reset,
    },
    Misbehaviour {
        name: "server-error",
        about: "the destination answers 500, 502 or 503",
        role: Role::Victim,
        mode: |dice| Mode::Status(dice.pick(&[500, 502, 503]).copied().unwrap_or(500)),
    },
    Misbehaviour {
        name: "throttle",
        about: "the destination answers 429, with Retry-After or without",
        role: Role::Victim,
        mode: |dice| Mode::Throttle(dice.pick(&[None, Some(1), Some(3)]).copied().flatten()),
    },
    Misbehaviour {
        name: "reject",
        about: "the destination answers 400 or 422: these events are settled, not repeated",
        role: Role::Victim,
        mode: |dice| Mode::Status(dice.pick(&[400, 422]).copied().unwrap_or(400)),
    },
    Misbehaviour {
        name: "polite-refusal",
        about: "a chat service says in a 200 that it did not take the message",
        role: Role::Chat,
        mode: |dice| {
            let errors = ["ratelimited", "internal_error", "msg_too_long"];
            Mode::PoliteRefusal(dice.pick(&errors).copied().unwrap_or("internal_error"))
        },
    },
    Misbehaviour {
        name: "redirect-circle",
        about: "the destination redirects to itself",
        role: Role::Victim,
        mode: |_| Mode::Circle,
    },
    Misbehaviour {
        name: "huge-body",
        about: "the destination answers 200 with up to 200 MB of body",
        role: Role::Victim,
        mode: |dice| Mode::Flood(1_000_000 + dice.below(199_000_000)),
    },
    Misbehaviour {
        name: "bad-tls",
        about: "the destination shows a certificate that nobody trusts",
        role: Role::Secure,
        mode: |_| Mode::Untrusted,
    },
];

impl Fault for Misbehaviour {
    fn card(&self) -> Card {
        Card::new(
            self.name,
            self.about,
            Rhythm::millis(300..1500, 500..3000, 2),
        )
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.roles.insert(self.role);
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            if let Some(destination) = round.destination(self.role) {
                let mode = (self.mode)(&mut strike.dice());
                destination.misbehave(mode, strike.lasts).await;
            }
            Ok(())
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            round.complain_if_late();
            Ok(())
        })
    }
}

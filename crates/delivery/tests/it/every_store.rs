//! The behaviour that every store must show. Each function is one behaviour; [`every_store`] makes
//! tests of them for one kind of store.

pub(crate) mod claims;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod kept;
pub(crate) mod people;

/// Makes a test of every behaviour; `$place` makes an empty place.
macro_rules! every_store {
    ($place:expr) => {
        $crate::every_store::every_store!(@tests $place; journal:
            keeps_what_was_acknowledged_when_it_crashes,
            answers_every_append_once_and_in_order,
            gives_each_position_once_even_when_all_is_pruned,
            reads_entries_behind_a_position,
            remembers_recent_keys_newest_first,
            stores_a_plan_once_that_is_committed_twice,
            refuses_a_plan_that_leaves_an_event_out_and_nothing_else,
            plans_an_event_without_deliveries,
            stops_for_no_event_that_is_unreadable,
            refuses_events_when_too_much_waits,
            refuses_events_when_it_takes_too_many_bytes,
            answers_closed_after_it_was_closed,
            finishes_what_was_asked_when_it_is_closed,
        );
        $crate::every_store::every_store!(@tests $place; claims:
            hands_a_delivery_to_one_caller_only,
            hands_a_delivery_out_again_when_its_lease_ran_out,
            hands_claimed_deliveries_out_again_after_a_crash,
            settles_a_claim_once,
            ignores_a_claim_that_another_one_overtook,
            hands_out_the_first_of_each_lane_only,
            keeps_the_order_of_lanes_that_are_interleaved,
            keeps_a_lane_waiting_while_its_head_is_retried,
            tells_when_the_next_head_is_due,
            hands_out_what_is_due_longest_first_and_no_more_than_asked_for,
            lists_providers_with_work,
            marks_what_a_newer_delivery_replaces,
            supersedes_within_a_lane_only,
            supersedes_a_replayed_delivery_when_a_later_one_arrived,
            hastens_all_heads_or_parked_ones_only,
            stores_facts_with_the_settlement,
            hastens_however_many_wait,
            forgets_the_facts_that_were_told_longest_ago,
        );
        $crate::every_store::every_store!(@tests $place; people:
            replays_behind_what_waits,
            replays_delivered_ones_only_if_asked,
            gives_replayed_deliveries_all_their_attempts_again,
            drops_all_but_what_is_claimed,
            drops_the_head_and_the_next_one_follows,
            changes_no_more_than_asked_for,
            lists_deliveries_newest_first_page_by_page,
            lists_what_a_filter_selects,
            finds_deliveries_far_apart,
            counts_deliveries_by_provider_and_state,
            shows_an_event_with_all_that_became_of_it,
        );
        $crate::every_store::every_store!(@tests $place; history:
            counts_what_waits_also_after_a_crash,
            tells_since_when_the_oldest_waits,
            prunes_what_is_too_old_and_keeps_what_is_live,
            prunes_the_oldest_when_it_takes_too_many_bytes,
            prunes_nothing_that_is_young,
            prunes_what_was_passed_over_once_it_is_settled,
        );
        $crate::every_store::every_store!(@tests $place; kept:
            keeps_a_call_over_a_crash,
            keeps_a_call_without_content_once,
            hands_calls_out_when_they_are_due,
            forgets_a_call,
            keeps_a_bounded_number_of_calls_of_one_receiver,
            keeps_no_calls_when_it_is_closed,
        );
    };
    (@tests $place:expr; $module:ident: $($behaviour:ident,)*) => {
        $(
            #[tokio::test]
            async fn $behaviour() {
                $crate::every_store::$module::$behaviour(&$place).await;
            }
        )*
    };
}

pub(crate) use every_store;

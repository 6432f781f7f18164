"""The plant: collects bids, settles each closed slot, decides the next one, and answers orders.

A slot closes when every registered policy's bid for it is in, or when the log shows that one will not come: a deadline,
a later slot that is complete, or the end. Slots close strictly in order; each is first settled, then the next decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import msgspec

from agents.orders.admission import MAX_LIFE
from agents.orders.refusal import Refusal
from agents.orders.verification import refuse_admitted, refused_order
from agents.plant import build_problem
from agents.plant.conditions import Condition, alert_of, cap_breach, follow
from agents.plant.decide import Choice, Chooser, inputs_of
from agents.plant.ledger import SettledSlot, entries, money_of, trades
from agents.plant.order_flow import count, end_orders, refuse_order, take_order, weigh_orders
from agents.plant.recompute import Resumption, resumed_state
from agents.plant.settlement import price_per_mwh, served_net_mw, settle_slot
from agents.plant.state import (
    MEMORY_DAYS,
    AssetKept,
    LateCorrection,
    PlacedBid,
    PlantState,
    asset_at_rest,
    changed_values,
    load_state,
)
from vpp.domain import PRICE, iso
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.messages import (
    ActorBid,
    AlertCode,
    AlertEffect,
    Correction,
    Deadline,
    End,
    Message,
    MissingBid,
    Order,
    SlotClosed,
    TraderBid,
)
from vpp.streams.reducer import Load, Origin, Output

_ENDS = ("setpoints", "assets", "ledger", "decisions", "alerts")


class PlantReducer:
    """Settles and decides the slots of one zone; see the module text for the rules.

    Args:
        zone: Assets, limits and market.
        policies: Whose bids a slot waits for: ``actor``, ``trader`` or both; bids of others are not weighed.
        clear: Solves a clearing problem.
        start_soc: Known states of charge (0-1) by asset, for a run that continues from an earlier one.
        resumption: What the plant continues from where it has no state of its own; None: it starts at rest.
        explore: Whether each decision prices its alternatives (three more solves).
        approval_key: The secret that approvals and admissions are signed with; with it no unsigned order acts.
    """

    def __init__(
        self,
        zone: Zone,
        policies: tuple[str, ...] = ("actor", "trader"),
        *,
        clear: build_problem.Clear = build_problem.clear,
        start_soc: Mapping[str, float] | None = None,
        explore: bool = True,
        approval_key: bytes | None = None,
        longest_order: timedelta = MAX_LIFE,
        resumption: Resumption | None = None,
    ) -> None:
        self._zone = zone
        self._resumption = resumption
        self._step = zone.step
        self._policies = policies
        self._chooser = Chooser(zone, clear, explore)
        self._start_soc = dict(start_soc or {})
        self._key = approval_key
        self._longest = longest_order
        self._memory = MEMORY_DAYS * zone.step.per_day

    def initial(self, zone: str) -> PlantState:
        """Return the state before the first bid: the fleet at rest."""
        return PlantState()

    def load(self, zone: str, get: Load) -> PlantState:
        """Return the stored state; without a usable one that of the earlier start, else the initial one."""
        state = load_state(get, self._policies, self._memory)
        if self._resumption is None or state.head.closed is not None or state.waiting:
            return state
        return resumed_state(self._zone, self._resumption, replace(self._chooser, explore=False), self._key)

    def changes(self, state: PlantState) -> Mapping[str, bytes | None]:
        """Return the changed state values."""
        return changed_values(state)

    def step(self, state: PlantState, message: Message, origin: Origin) -> tuple[PlantState, list[Output]]:
        """Apply one message of ``bids``.

        Raises:
            MessageError: The message does not belong here or its parts do not fit together; the state is unchanged.
            PhysicsError: A settlement broke physics, which is always a bug.
        """
        match message:
            case ActorBid() | TraderBid():
                return state, self._bid(state, message, origin)
            case Order():
                return state, self._order(state, message, origin)
            case Correction():
                return state, self._correction(state, message)
            case Deadline():
                return state, self._deadline(state, message)
            case End():
                return state, self._end(state, message)
            case _:
                raise MessageError(f"{type(message).__name__} is not a bid", reason="schema")

    def _bid(self, state: PlantState, bid: ActorBid | TraderBid, origin: Origin) -> list[Output]:
        policy = bid.policy
        if policy not in self._policies:
            return []
        build_problem.validate_bid(self._zone, bid)
        index = self._step.index(bid.slot)
        head = state.head
        state.changed.mark("head")
        head.heard[policy] = max(index, head.heard.get(policy, index))
        if head.closed is not None and index <= head.closed:
            return self._late_bid(state, index, policy, bid, origin)
        if policy in head.ended:
            head.ended.remove(policy)
        if policy in state.waiting.get(index, {}):
            return []
        state.wait(index, PlacedBid(bid, (origin.topic, origin.partition, origin.offset)))
        return self._close_until(state, index) if len(state.waiting[index]) == len(self._policies) else []

    def _late_bid(
        self, state: PlantState, index: int, policy: str, bid: ActorBid | TraderBid, origin: Origin
    ) -> list[Output]:
        """What comes after a decision decides nothing; its observation settles once where the slot had none."""
        last = state.last.get(policy)
        if bid.horizon_min and (last is None or last.bid.slot < bid.slot):
            state.keep_last(index, PlacedBid(bid, (origin.topic, origin.partition, origin.offset)))
            state.mark_bid(policy, index)
        old = state.settled.get(index)
        if old is None or old.observed:
            return []
        new = msgspec.structs.replace(
            old,
            observed=True,
            net_mw=served_net_mw(self._zone, bid.observation),
            price_per_mwh=price_per_mwh(self._zone, bid.observation),
        )
        return self._resettle(state, old, new)

    def _deadline(self, state: PlantState, message: Deadline) -> list[Output]:
        index = self._step.index(message.slot)
        closed = state.head.closed
        first = min(state.waiting, default=None) if closed is None else closed + 1
        return [] if first is None or index < first else self._close_until(state, index)

    def _end(self, state: PlantState, message: End) -> list[Output]:
        head = state.head
        if message.producer not in self._policies:
            return []
        state.changed.mark("head")
        if message.producer not in head.ended:
            head.ended.append(message.producer)
            head.ended.sort()
        if len(head.ended) < len(self._policies):
            return []
        outputs = self._close_until(state, max(state.waiting)) if state.waiting else []
        head.ended.clear()
        last = None if head.closed is None else self._step.start(head.closed)
        end = End(zone=message.zone, producer="plant", last_slot=last)
        return [*outputs, *(Output(topic, end) for topic in _ENDS)]

    def _close_until(self, state: PlantState, index: int) -> list[Output]:
        """Close every slot up to and with ``index`` in order; after a gap too long to bridge, continue behind it."""
        closed = state.head.closed
        first = min(state.waiting, default=index) if closed is None else closed + 1
        slots: Sequence[int] = range(first, index + 1)
        outputs: list[Output] = []
        if len(slots) > self._memory:
            slots = [first, *sorted(slot for slot in state.waiting if first < slot <= index)]
            text = f"no bids for {index - first} slots: they are neither settled nor decided"
            outputs.append(self._event(index, "gap", Condition(AlertCode.SLOTS_SKIPPED, AlertEffect.NOT_SETTLED, text)))
        for slot in slots:
            outputs += self._close(state, slot)
        return outputs

    def _close(self, state: PlantState, index: int) -> list[Output]:
        head = state.head
        waiting = state.waiting.pop(index, {})
        state.changed.mark("head")
        observation = next((waiting[p].bid.observation for p in self._policies if p in waiting), None)
        outputs = self._settle(state, index, observation)
        outputs += self._decide(state, index, observation, self._take_bids(state, index, waiting))
        due = [late for late in head.late if late.after <= index]
        head.late = [late for late in head.late if late.after > index]
        for late in due:
            outputs += self._apply_correction(state, late.correction)
        return outputs

    def _settle(self, state: PlantState, index: int, observation: SlotClosed | None) -> list[Output]:
        head, zone = state.head, self._zone
        plan = state.plan
        setpoints = plan.setpoints if plan is not None and plan.index == index else {}
        before = self._assets(state)
        settlement = settle_slot(zone, observation, index, before, setpoints)
        slot = settlement.slot
        if setpoints and plan is not None and plan.counted:
            count(zone, state, plan.counted, before, settlement)
        head.assets = settlement.assets
        head.first = index if head.first is None else head.first
        head.closed = index
        head.blind_slots = 0 if slot.net_mw is not None else head.blind_slots + 1
        money = money_of(zone, slot, state.settled.get(index - 1))
        state.keep_settled(slot)
        state.forget_before(index - self._memory)
        return [
            *(Output("assets", status) for status in settlement.statuses),
            *(Output("ledger", entry) for entry in entries(zone, slot, money)),
            *(Output("ledger", trade) for trade in trades(zone, slot, money)),
        ]

    def _assets(self, state: PlantState) -> dict[str, AssetKept]:
        """Return the fleet as the zone's file has it now: new assets join at rest, others that left are dropped."""
        states = state.head.assets
        return {a.asset_id: states.get(a.asset_id) or asset_at_rest(a, self._start_soc) for a in self._zone.assets}

    def _correction(self, state: PlantState, correction: Correction) -> list[Output]:
        index = self._step.index(correction.slot)
        after = max(state.head.heard.get("actor", index), index)
        if state.head.closed is not None and after <= state.head.closed:
            state.changed.mark("head")
            return self._apply_correction(state, correction)
        state.head.late.append(LateCorrection(after, correction))
        state.changed.mark("head")
        return []

    def _apply_correction(self, state: PlantState, correction: Correction) -> list[Output]:
        index = self._step.index(correction.slot)
        old = state.settled.get(index)
        if old is None:
            if state.head.first is None or index < state.head.first:
                return []
            text = f"a correction of {iso(correction.slot)} came too late to be settled"
            late = Condition(AlertCode.LATE_CORRECTION, AlertEffect.NOT_SETTLED, text, severity="info")
            return [self._event(index, "late-correction", late)]
        if correction.revision < old.correction + (not old.provisional):
            return []
        net = correction.net_load_mw
        new = msgspec.structs.replace(
            old,
            correction=correction.revision,
            provisional=False,
            net_mw=None if net is None else net * self._zone.share.factor,
            price_per_mwh=correction.values.get(PRICE, old.price_per_mwh),
        )
        return self._resettle(state, old, new)

    def _resettle(self, state: PlantState, old: SettledSlot, new: SettledSlot) -> list[Output]:
        """Write what changed as new entries: of the slot itself, and of the next one, whose ramp starts here."""
        zone = self._zone
        before, after = state.settled.get(old.index - 1), state.settled.get(old.index + 1)
        was, now = money_of(zone, old, before), money_of(zone, new, before)
        settles = old.provisional and not new.provisional
        new.revision = old.revision + (was != now or settles)
        outputs = [Output("ledger", entry) for entry in entries(zone, new, now, was, settles=settles)]
        outputs += [Output("ledger", trade) for trade in trades(zone, new, now, was)]
        state.keep_settled(new)
        if after is not None:
            was, now = money_of(zone, after, old), money_of(zone, after, new)
            if was != now:
                after.revision += 1
                outputs += [Output("ledger", entry) for entry in entries(zone, after, now, was)]
                state.keep_settled(after)
        return outputs

    def _take_bids(self, state: PlantState, index: int, waiting: Mapping[str, PlacedBid]) -> list[MissingBid]:
        """Remember the bids of a closing slot; return the policies without one."""
        missing: list[MissingBid] = []
        for policy in self._policies:
            placed = waiting.get(policy)
            if placed is None:
                missing.append(MissingBid(policy=policy, cause="no_bid"))
                continue
            bid = placed.bid
            if bid.horizon_min and not bid.not_ready:
                state.keep_last(index, placed)
                continue
            state.mark_bid(policy, index)
            if bid.not_ready:
                state.forget_last(policy)
            missing.append(
                MissingBid(policy=policy, cause="not_ready" if bid.not_ready else "empty", detail=bid.reason)
            )
        return missing

    def _decide(
        self, state: PlantState, closed: int, observation: SlotClosed | None, missing: list[MissingBid]
    ) -> list[Output]:
        ended = end_orders(self._zone, state, self._step.start(closed + 1))
        choice = self._chooser.choose(inputs_of(self._zone, state, closed, observation, missing))
        state.plan = choice.plan
        state.changed.mark("plan")
        ended += weigh_orders(state, choice.decision)
        conditions = {**choice.conditions, **cap_breach(self._zone, state.settled[closed].grid_mw)}
        alerts = follow(self._zone, self._step.start(closed), conditions, state.head.standing)
        return [*_outputs(choice), *(Output("alerts", alert) for alert in alerts), *ended]

    def _order(self, state: PlantState, order: Order, origin: Origin) -> list[Output]:
        standing = state.standing
        if order.verdict != "accepted" or standing.memory.has(order):
            return []
        closed = state.head.closed
        now = self._step.floor(order.issued_at) if closed is None else self._step.start(closed + 1)
        refusal = self._refusal(state, order, origin)
        if refusal is not None:
            refused = refused_order(order, now, origin, refusal)
            # What is not verified may carry the id of a true order, whose life it must not end.
            is_forged = refusal.code in {"admission", "approval"}
            return refused if is_forged else [*refused, *refuse_order(state, order, now, refusal)]
        standing.memory.note(order, origin)
        lives = take_order(state, order, now)
        choice = self._hold_now(state, order, origin) if order.action == "hold" else None
        if choice is None:
            return lives
        state.plan = choice.plan
        state.changed.mark("plan")
        state.changed.mark("head")
        slot = self._step.start(state.head.closed or 0)
        begun = {name: alert_of(self._zone, slot, name, condition) for name, condition in choice.conditions.items()}
        state.head.standing |= begun
        return [*_outputs(choice), *(Output("alerts", alert) for alert in begun.values()), *lives]

    def _refusal(self, state: PlantState, order: Order, origin: Origin) -> Refusal | None:
        """Return why the plant does not act on an order marked as admitted."""
        if self._key is not None:
            sent_at = state.standing.memory.sent_at(origin)
            refusal = refuse_admitted(self._zone, order, self._key, sent_at, self._longest)
            if refusal is not None:
                return refusal
        closed = state.head.closed
        # The next slot is decided already: only a hold can still change it.
        acts_from = None if closed is None else self._step.start(closed + (1 if order.action == "hold" else 2))
        if acts_from is not None and order.expires_at is not None and order.expires_at <= acts_from:
            text = f"it ends at {iso(order.expires_at)}; the plant could follow it from {iso(acts_from)} on"
            return Refusal("over", text)
        return None

    def _hold_now(self, state: PlantState, order: Order, origin: Origin) -> Choice | None:
        closed = state.head.closed
        if closed is None:
            return None
        inputs = inputs_of(self._zone, state, closed, None, [])
        return self._chooser.hold_now(replace(inputs, grid_mw=state.settled[closed].grid_mw), order, origin)

    def _event(self, index: int, event: str, condition: Condition) -> Output:
        return Output("alerts", alert_of(self._zone, self._step.start(index), event, condition))


def _outputs(choice: Choice) -> list[Output]:
    return [
        *(Output("setpoints", setpoint) for setpoint in choice.setpoints),
        Output("decisions", choice.decision),
    ]

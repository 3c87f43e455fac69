/**
 * The demo's driver side, a worker of its own as a guest's processor would be.
 *
 * @module
 */
import { openDriverQueue } from "../ring/driver_queue.ts";
import { BlkWorkload } from "./blk.ts";
import { DriverEngine } from "./driver_engine.ts";
import { CtrlWorkload, type Expected, RxWorkload, TxWorkload } from "./net.ts";
import { type QueuePlan, QUEUES } from "./plan.ts";
import { runSide } from "./side.ts";
import type { Workload } from "./workload.ts";

/** The queues of a network device share what they expect back. */
function workloads(): (plan: QueuePlan) => Workload {
  const expected = new Map<string, Expected>();
  return ({ role, device, config }) => {
    const frames = expected.get(device) ?? [];
    expected.set(device, frames);
    const packed = config.format === "packed";
    if (role === "blk") return new BlkWorkload(`guestmem-${device}`, packed);
    if (role === "rx") return new RxWorkload(frames);
    return role === "tx" ? new TxWorkload(frames, packed) : new CtrlWorkload();
  };
}

runSide((context) => {
  const workloadOf = workloads();
  return QUEUES.map((plan) => {
    const { config, tables } = plan;
    const queue = openDriverQueue<never>(context.memory, config, { tables });
    return new DriverEngine(context, plan, queue, workloadOf(plan));
  });
});

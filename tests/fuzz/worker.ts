/**
 * One of the processors that fuzz: takes a job, gives its failures.
 *
 * @module
 */
import { type Job, runJob } from "./targets.ts";

/** What a worker has of its scope: the project is checked with the types of a main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Job>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = self as unknown as WorkerScope;
scope.onmessage = ({ data }) => {
  scope.postMessage({ job: data, failures: runJob(data) });
};

/**
 * One of the processors that fuzz: takes a job, gives its failures.
 *
 * @module
 */
import { type Job, runJob } from "./targets.ts";

self.onmessage = ({ data }: MessageEvent<Job>) => {
  self.postMessage({ job: data, failures: runJob(data) });
};

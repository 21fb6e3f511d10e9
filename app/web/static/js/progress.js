// The page of an exam that is under way: follows it to its end, then shows its result.
import { showStage } from "./course.js";
import { follow } from "./follow.js";
import { remember } from "./history.js";
import { enliven, one } from "./page.js";
import { isLeaving } from "./service.js";

enliven();
const exam = one("course").dataset.exam;
remember(exam.split("/").pop());
// Whoever cancels the exam is on the way to another page.
follow(exam, { stage: showStage, ended: () => isLeaving() || window.location.reload() });

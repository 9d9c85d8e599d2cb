// Cuts GitHub's description down to the paths that are used, with all they refer to: `subset.mjs SOURCE PATHS OUT`.
import fs from "node:fs";

const [source, paths, out] = process.argv.slice(2);
const api = JSON.parse(fs.readFileSync(source, "utf8"));
const wanted = fs.readFileSync(paths, "utf8").split("\n").filter(Boolean);

const kept = {};
for (const path of wanted) {
    if (!api.paths[path]) throw new Error(`GitHub describes no ${path}`);
    kept[path] = api.paths[path];
}

// Follows every reference, once.
const references = new Set();
const follow = (node) => {
    if (node === null || typeof node !== "object") return;
    for (const [key, value] of Object.entries(node)) {
        if (key === "$ref" && typeof value === "string" && !references.has(value)) {
            references.add(value);
            follow(at(value));
        } else {
            follow(value);
        }
    }
};
const at = (reference) =>
    reference.split("/").slice(1).reduce((node, it) => node[it.replace(/~1/g, "/").replace(/~0/g, "~")], api);
follow(kept);

const components = {};
for (const reference of references) {
    const [, , kind, name] = reference.split("/");
    (components[kind] ??= {})[name] = api.components[kind][name];
}
delete api.webhooks;
delete api["x-webhooks"];
fs.writeFileSync(out, JSON.stringify({ ...api, paths: kept, components }));

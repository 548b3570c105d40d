// Analyses queries as Azure would, including column names. Standard input: `{"schema": {table: "(column:type, …)"},
// "queries": {name: text}}`. Standard output: for each query `{"faults": [sentence], "columns": {name: type}}`.

const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = path.join(process.argv[2], "@kusto", "language-service-next");
for (const script of ["bridge.min.js", "Kusto.Language.Bridge.min.js"])
    vm.runInThisContext(fs.readFileSync(path.join(folder, script), "utf8"), { filename: script });

const { Symbols, GlobalState, KustoCode } = Kusto.Language;
const list = (items) => Array.from({ length: items.Count }, (_, index) => items.getItem(index));
const { schema, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const tables = Object.entries(schema).map(([name, columns]) => Symbols.TableSymbol.From(columns).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", tables));

const analysed = Object.entries(queries).map(([name, text]) => {
    const code = KustoCode.ParseAndAnalyze(text, globals);
    const columns = code.ResultType && code.ResultType.Columns ? list(code.ResultType.Columns) : [];
    return [name, {
        faults: list(code.GetDiagnostics()).map((fault) => `at ${fault.Start}: ${fault.Message}`),
        columns: Object.fromEntries(columns.map((column) => [column.Name, column.Type.Name])),
    }];
});
process.stdout.write(JSON.stringify(Object.fromEntries(analysed)));

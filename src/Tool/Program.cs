using MLNet.Gpt.Tool;

// A console is read with its own editing of lines, what comes from elsewhere as a file.
return await Tool.RunAsync(args, Console.IsInputRedirected ? TextFiles.Open(Console.OpenStandardInput()) : Console.In, Console.Out, Console.Error);

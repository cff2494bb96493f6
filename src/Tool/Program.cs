using MLNet.Gpt.Tool;

return await Tool.RunAsync(args, Console.In, Console.Out, Console.Error);
